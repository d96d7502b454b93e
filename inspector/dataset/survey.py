"""Checks every file of a data set before anything is computed: lists unreadable files and gives warnings."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from inspector.dataset.files import read_image, read_image_file
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow
from inspector.dataset.orientation import AS_STORED, orientation
from inspector.dataset.recordings import RecordingError, read_recording
from streams.decode.images import read_file
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import BitDepth
from streams.join.low_pixels import advice, is_sign, likely_bit_depth

MAX_NAMED = 20
_MAX_DECODED = 50
"""16-bit images of a camera that are searched for bits that it never uses."""


@dataclass(slots=True)
class _Camera:
    num_images: int = 0
    turned: Counter[int] = field(default_factory=Counter)
    turned_file: Path | None = None
    depths: list[BitDepth | None] = field(default_factory=list)
    """The fewest bits of each 16-bit image decoded that is not black."""
    num_black: int = 0


def survey(manifest: Path, rows: Sequence[PieceRow]) -> list[str]:
    """Warnings about the files of these rows, each read once.

    Images are checked for all that the line can tell before decoding, signals are read whole. Raises ManifestError
    with each file that cannot be read, by manifest line and piece.
    """
    cameras: dict[str, _Camera] = defaultdict(_Camera)
    problems: list[tuple[PieceRow, str]] = []
    for row, check in _checks(manifest.parent, rows, cameras):
        try:
            check()
        except (ManifestError, RecordingError) as exc:
            problems.append((row, str(exc)))
    if problems:
        raise ManifestError(_listed(manifest, problems))
    return [warning for name, camera in sorted(cameras.items()) for warning in _warnings(name, camera)]


def _checks(
    root: Path, rows: Sequence[PieceRow], cameras: dict[str, _Camera]
) -> Iterator[tuple[PieceRow, Callable[[], None]]]:
    """Each file once, however many pieces share it."""
    known: set[str] = set()
    for row in rows:
        for image in (image for image in row.images if image.path not in known):
            known.add(image.path)
            yield row, partial(_check_image, root, image, cameras[image.camera])
        for signal in (signal for signal in row.signals if signal.path not in known):
            known.add(signal.path)
            yield row, partial(_check_signal, root, signal)


def _check_image(root: Path, image: ImageRow, camera: _Camera) -> None:
    path = root / image.path
    form, data = read_image_file(path)
    try:
        header = read_file(data, form, Limits()).header
    except RecordError as error:
        raise ManifestError(f"{path}: {error.detail}") from error
    camera.num_images += 1
    if (turned := orientation(data)) != AS_STORED:
        camera.turned[turned] += 1
        camera.turned_file = path
    is_open = header.bytes_per_value == 2 and image.bit_depth is None and None not in camera.depths
    if is_open and len(camera.depths) + camera.num_black < _MAX_DECODED:
        decoded = read_image(path)
        if decoded.any():
            camera.depths.append(likely_bit_depth(decoded))
        else:
            camera.num_black += 1


def _check_signal(root: Path, signal: SignalRow) -> None:
    read_recording(root / signal.path, signal.sample_rate_hz, signal.kind)


def _warnings(name: str, camera: _Camera) -> Iterator[str]:
    if camera.turned:
        values = ", ".join(str(value) for value in sorted(camera.turned))
        yield (
            f"camera {name}: {camera.turned.total()} of {camera.num_images} images have an EXIF orientation "
            f"({values}, the last: {camera.turned_file}): pixels are used as stored, here and on the line; if they "
            "were labelled or masked as turned, turn the pixels and save them without EXIF"
        )
    depths = [depth for depth in camera.depths if depth is not None]
    if depths and len(depths) == len(camera.depths):
        depth = max(depths)
        if is_sign(depth, len(depths)):
            yield advice(name, depth)


def _listed(manifest: Path, problems: Sequence[tuple[PieceRow, str]]) -> str:
    lines = _line_numbers(manifest)
    named = [f"{manifest.name}:{lines.get(row.piece_id, '?')}: piece {row.piece_id}: {s}" for row, s in problems]
    more = f", the first {MAX_NAMED} of them" if len(named) > MAX_NAMED else ""
    head = f"{manifest}: {len(named)} file(s) cannot be read{more}:"
    return "\n".join([head, *named[:MAX_NAMED]])


def _line_numbers(manifest: Path) -> dict[str, int]:
    """Of each piece its first line."""
    numbers: dict[str, int] = {}
    for number, line in enumerate(manifest.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            numbers.setdefault(json.loads(line)["piece_id"], number)
    return numbers
