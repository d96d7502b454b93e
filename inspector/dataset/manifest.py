"""Reads a dataset's `manifest.jsonl` into rows, and writes rows as a manifest.

One piece a line; paths are relative to the manifest. Rows say which pieces belong together (`groups`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails

from inspector.bundle.expected import dotted, expected
from inspector.dataset.text_files import MAX_TEXT_BYTES, TextFileError, decoded
from streams.join.assembly import BitDepth
from streams.observation import SensorKind

_UNDIVIDED = object()
"""Context in which a row may lack its split."""
Label = Literal["ok", "nok", "unknown"]
Split = Literal["train", "calibration", "test"]
RawPixels = Literal[
    "MONO8",
    "MONO16",
    "MONO10P",
    "MONO12P",
    "MONO10_PACKED",
    "MONO12_PACKED",
    "BGR8",
    "RGB8",
    "BGRA8",
    "RGBA8",
    "BAYER_RG8",
    "BAYER_GR8",
    "BAYER_GB8",
    "BAYER_BG8",
    "BAYER_RG16",
    "BAYER_GR16",
    "BAYER_GB16",
    "BAYER_BG16",
    "UYVY",
    "YUYV",
    "NV12",
    "I420",
]
"""Formats of raw pixels, as on the line."""


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names file, line, value and fix."""


MAX_LISTED = 20
"""Bad lines in one message."""


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRow(Row):
    """One image of a piece."""

    camera: str
    """Name of the camera."""
    path: str
    """PNG, JPEG, TIFF or BMP file, or raw rows, relative to the manifest."""
    bit_depth: BitDepth | None = None
    """Of the camera, where its values lie low in 16 bits; None: of the file."""
    pixels: RawPixels | None = None
    """Of a file without a header (.raw, .bin), or BAYER_... for a mosaic kept as a grey image; None: as in the file."""
    width_px: int | None = Field(default=None, gt=0)
    """Of a file without a header."""
    height_px: int | None = Field(default=None, gt=0)
    """Of a file without a header."""


class SignalRow(Row):
    """One recording of a piece."""

    sensor: str
    """Name of the sensor."""
    kind: SensorKind
    """What the sensor measures; experts are chosen by it. The page Cameras and sensors explains the kinds."""
    sample_rate_hz: float = Field(gt=0, allow_inf_nan=False)
    """Samples per second and channel."""
    path: str
    """Recording, relative to the manifest: .wav, .flac, .npy, .csv or .tdms."""
    columns: tuple[str, ...] = ()
    """Names of the channels in a CSV or TDMS file; none: all columns but the time."""
    channels_first: bool = False
    """Whether a NumPy file holds (channels, samples), as librosa and torch have it."""


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
    defect_probability: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """Of a piece whose label is not certain: how likely it is defective. 0 and 1 mean ok and nok."""
    defects: tuple[Annotated[str, Field(min_length=1)], ...] = ()
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

    @model_validator(mode="before")
    @classmethod
    def _may_be_undivided(cls, values: object, info: ValidationInfo) -> object:
        return {"split": "train", **values} if info.context is _UNDIVIDED and isinstance(values, dict) else values

    @model_validator(mode="before")
    @classmethod
    def _certain_probability_is_a_label(cls, values: object) -> object:
        if not isinstance(values, dict) or values.get("label", "unknown") != "unknown":
            return values
        label = {0.0: "ok", 1.0: "nok"}.get(_number(values.get("defect_probability")))
        return values if label is None else {**values, "label": label}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else -1.0


def read_manifest(path: Path, split: str | None = None, *, is_undivided: bool = False) -> list[PieceRow]:
    """Rows of a manifest in its order, of one split or of all. Raises ManifestError that lists every bad line.

    `is_undivided`: rows may lack their split, and then have `train`.
    """
    scanned = scan_manifest(path, is_undivided=is_undivided)
    if scanned.problems:
        raise ManifestError(_joined(path, scanned.problems))
    rows = [row for row in scanned.rows if split in (None, row.split)]
    if not rows:
        missing = "no piece" if split is None else f"no piece of split {split!r}"
        raise ManifestError(f"{path}: holds {missing}; splits are train, calibration and test")
    return rows


class ManifestProblem(NamedTuple):
    """One bad line."""

    line: int
    piece_id: str
    """Empty where the line does not say it."""
    text: str
    """The problem and its remedy."""


@dataclass(frozen=True)
class ScannedManifest:
    """A manifest with bad lines: the rows that are good, and what is wrong with the others."""

    rows: list[PieceRow]
    lines: dict[str, int]
    """Number of each piece's first line."""
    problems: list[ManifestProblem]
    notes: list[str]
    """What was found and is fine, such as the line ends of Windows."""


def read_text(path: Path) -> tuple[str, list[str]]:
    """The text of a manifest, and notes about its encoding. Raises ManifestError."""
    try:
        if not path.is_dir() and path.stat().st_size > MAX_TEXT_BYTES:
            raise ManifestError(f"{path}: has more than {MAX_TEXT_BYTES} bytes; split the data set")
        return decoded(path.read_bytes())
    except OSError as exc:
        raise ManifestError(f"{path}: cannot be read ({exc.strerror}); name a manifest.jsonl that exists") from exc
    except TextFileError as exc:
        raise ManifestError(f"{path}: {exc}") from exc


def scan_manifest(path: Path, *, is_undivided: bool = False) -> ScannedManifest:
    """Reads all lines that can be read. Raises ManifestError only where the whole file cannot."""
    text, notes = read_text(path)
    rows: list[PieceRow] = []
    lines: dict[str, int] = {}
    problems: list[ManifestProblem] = []
    for number, line in enumerate(text.split("\n"), 1):  # Strings may hold other characters that end a line.
        if not line.strip():
            continue
        row = _row(line, is_undivided)
        if isinstance(row, str):
            problems.append(ManifestProblem(number, _piece_id(line), row))
            continue
        first = lines.setdefault(row.piece_id, number)
        problem = _contradiction(row) if first == number else _double(row, first, number)
        if problem:
            problems.append(ManifestProblem(number, row.piece_id, problem))
        if first == number:
            rows.append(row)
    return ScannedManifest(rows, lines, problems, notes)


def _joined(path: Path, problems: Sequence[ManifestProblem]) -> str:
    named = [f"{path}:{problem.line}: {problem.text}" for problem in problems[:MAX_LISTED]]
    if len(problems) == 1:
        return named[0]
    more = f", the first {MAX_LISTED} of them" if len(problems) > MAX_LISTED else ""
    return "\n".join([f"{path}: {len(problems)} lines cannot be used{more}:", *named])


def _row(line: str, is_undivided: bool) -> PieceRow | str:
    """The row, or what is wrong with it and what to do."""
    try:
        return PieceRow.model_validate_json(line, context=_UNDIVIDED if is_undivided else None)
    except ValidationError as exc:
        return "; ".join(map(_problem, exc.errors()))


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "json_invalid":
        return f"{error['msg']}: correct the line, which is one JSON object, or make the data set again"
    expectation, remedy = expected(error, PieceRow, error["loc"])
    if error["type"] == "missing" and error["loc"] == ("split",):
        remedy = "`inspector data split` divides the pieces"
    value = "" if error["type"] == "missing" or isinstance(error["input"], dict | list) else f" = {error['input']!r}"
    return f"{dotted(error['loc']) or 'line'}{value[:80]}: {expectation}; {remedy}"


def _piece_id(line: str) -> str:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    name = data.get("piece_id") if isinstance(data, dict) else None
    return name if isinstance(name, str) else ""


def _contradiction(row: PieceRow) -> str:
    certain = {"ok": 0.0, "nok": 1.0}
    if row.label in certain and row.defect_probability not in (None, certain[row.label]):
        return (
            f"piece {row.piece_id!r} is labelled {row.label} and has defect_probability = {row.defect_probability:g}: "
            "leave the label out where it is not certain, or the probability where it is"
        )
    if row.label != "ok" or not row.defects:
        return ""
    return (
        f"piece {row.piece_id!r} is labelled ok and has the defects {', '.join(row.defects)}: label it nok, or remove "
        "its defects"
    )


def _double(row: PieceRow, first: int, number: int) -> str:
    """With one id twice, look-ups and feedback cannot tell the pieces apart."""
    return (
        f"lines {first} and {number} both have piece_id {row.piece_id!r}: every piece has an id of its own; rename one "
        "(two exports put together need a prefix each), or remove the line that is there twice"
    )


def write_manifest(path: Path, rows: Iterable[PieceRow]) -> None:
    """Writes one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n")
