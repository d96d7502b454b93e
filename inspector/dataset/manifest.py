"""Reads a dataset's `manifest.jsonl` into rows, and writes rows as a manifest.

One piece a line; paths are relative to the manifest. Rows say which pieces belong together (`groups`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from inspector.bundle.expected import dotted, expected
from streams.join.assembly import BitDepth
from streams.observation import SensorKind

Label = Literal["ok", "nok", "unknown"]
Split = Literal["train", "calibration", "test"]


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names file, line, value and fix."""


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRow(Row):
    """One image of a piece; path ends in .png, .jpg or .jpeg."""

    camera: str
    """Name of the camera."""
    path: str
    """PNG or JPEG file, relative to the manifest."""
    bit_depth: BitDepth | None = None
    """Of the camera, where its values lie low in 16 bits; None: of the file."""


class SignalRow(Row):
    """One recording of a piece; path ends in .wav, .flac or .npy."""

    sensor: str
    """Name of the sensor."""
    kind: SensorKind
    """What the sensor measures; experts are chosen by it. The page Cameras and sensors explains the kinds."""
    sample_rate_hz: float = Field(gt=0)
    """Samples per second and channel."""
    path: str
    """Recording, relative to the manifest: .wav, .flac or .npy."""


class PieceRow(Row):
    """One piece of a data set."""

    piece_id: str = Field(min_length=1, max_length=128)
    """Unique in the data set."""
    images: tuple[ImageRow, ...] = ()
    """One object for each image."""
    signals: tuple[SignalRow, ...] = ()
    """One object for each recording."""
    label: Label = "unknown"
    """Good, defective, or not known."""
    defects: tuple[str, ...] = ()
    """Classes of its defects."""
    mask: str | None = None
    """Image of the defect's place, white on black, relative to the manifest."""
    split: Split
    """Split that the piece belongs to."""
    groups: Mapping[str, str] = Field(default_factory=dict)
    """Groups that must stay together, such as {"lot": "17"}: no split or fold shares an id with another."""
    modality_labels: Mapping[str, Label] = Field(default_factory=dict)
    """Label of one camera or sensor by itself, by its name or by `image` and `signal`."""
    product: str = ""
    """Product that chooses the recipe."""


def read_manifest(path: Path, split: str | None = None) -> list[PieceRow]:
    """Rows of a manifest in its order, of one split or of all. Raises ManifestError with the first bad line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ManifestError(f"{path}: cannot be read ({exc.strerror}); name a manifest.jsonl that exists") from exc
    except UnicodeDecodeError as exc:
        raise ManifestError(f"{path}: is not UTF-8 ({exc.reason} at byte {exc.start}); save it as UTF-8") from exc
    numbered = list(_parsed(path, text))
    _refuse_doubles(path, numbered)
    rows = [row for _, row in numbered if split in (None, row.split)]
    if not rows:
        missing = "no piece" if split is None else f"no piece of split {split!r}"
        raise ManifestError(f"{path}: holds {missing}; splits are train, calibration and test")
    return rows


def _parsed(path: Path, text: str) -> Iterator[tuple[int, PieceRow]]:
    """Rows with the numbers of their lines."""
    for number, line in enumerate(text.split("\n"), 1):  # Strings may hold other characters that end a line.
        if not line.strip():
            continue
        try:
            row = PieceRow.model_validate_json(line)
        except ValidationError as exc:
            raise ManifestError(f"{path}:{number}: {'; '.join(map(_problem, exc.errors()))}") from exc
        if row.label == "ok" and row.defects:
            raise ManifestError(
                f"{path}:{number}: piece {row.piece_id!r} is labelled ok and has the defects {', '.join(row.defects)}: "
                "label it nok, or remove its defects"
            )
        yield number, row


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "json_invalid":
        return f"{error['msg']}: correct the line, which is one JSON object, or make the data set again"
    expectation, remedy = expected(error, PieceRow, error["loc"])
    value = "" if error["type"] == "missing" or isinstance(error["input"], dict | list) else f" = {error['input']!r}"
    return f"{dotted(error['loc']) or 'line'}{value[:80]}: {expectation}; {remedy}"


def _refuse_doubles(path: Path, numbered: Iterable[tuple[int, PieceRow]]) -> None:
    """With one id twice, look-ups and feedback cannot tell the pieces apart."""
    lines: dict[str, int] = {}
    for number, row in numbered:
        first = lines.setdefault(row.piece_id, number)
        if first != number:
            raise ManifestError(
                f"{path}: lines {first} and {number} both have piece_id {row.piece_id!r}: every piece has an id of its "
                "own; rename one (two exports put together need a prefix each), or remove the line that is there twice"
            )


def write_manifest(path: Path, rows: Iterable[PieceRow]) -> None:
    """Writes one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n")
