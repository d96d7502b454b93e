"""Names that a line would refuse: of cameras, sensors, pieces and products."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from inspector.bundle.schema import Name
from inspector.dataset.findings import Finding
from inspector.dataset.manifest import PieceRow
from streams.decode.limits import is_name, is_text

_BUNDLE_NAME = TypeAdapter[str](Name)
_RESERVED = {"image": "all cameras", "signal": "all sensors"}


def name_findings(rows: Sequence[PieceRow]) -> Iterator[Finding]:
    """Errors, but for reserved names."""
    owners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for image in row.images:
            owners["camera", image.camera].append(row.piece_id)
        for signal in row.signals:
            owners["sensor", signal.sensor].append(row.piece_id)
    for (noun, name), pieces in sorted(owners.items()):
        yield from _source(noun, name, tuple(dict.fromkeys(pieces)))
    for name in sorted({name for noun, name in owners if noun == "camera"}):
        if ("sensor", name) in owners:
            text = f"{name!r} is a camera and a sensor: a recipe tells them apart by their names; rename one"
            yield Finding("names", text, tuple(dict.fromkeys(owners["sensor", name])), "error")
    for row in rows:
        yield from _texts(row)
        yield from _twice(row)


def _source(noun: str, name: str, pieces: tuple[str, ...]) -> Iterator[Finding]:
    if not (is_name(name) and _is_bundle_name(name)):
        yield Finding(
            "names",
            f"{noun} {name[:60]!r}: line and bundle refuse this name, expected 1 to 48 of A-Z a-z 0-9 _, with single - "
            "between them: rename it in the manifest and at the producer",
            pieces,
            "error",
        )
    elif (meaning := _RESERVED.get(name)) is not None:
        text = f"{noun} {name}: labels and groups under {name!r} mean {meaning}: call it by its place (top)"
        yield Finding("names", text, pieces)


def _twice(row: PieceRow) -> Iterator[Finding]:
    """A camera may have several frames."""
    for sensor, num in Counter(signal.sensor for signal in row.signals).items():
        if num > 1:
            text = f"has {num} recordings of sensor {sensor}, of which only the last is used: keep one, or rename one"
            yield Finding("recordings", text, (row.piece_id,))


def _is_bundle_name(name: str) -> bool:
    try:
        _BUNDLE_NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def _texts(row: PieceRow) -> Iterator[Finding]:
    for noun, text in (("piece_id", row.piece_id), ("product", row.product)):
        if not is_text(text):
            yield Finding(
                "names",
                f"{noun} {text[:60]!r} ({len(text.encode())} bytes): a line refuses it, expected at most 128 printable "
                "bytes: rename it",
                (row.piece_id,),
                "error",
            )
