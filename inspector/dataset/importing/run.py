"""Turns labelled files into pieces, divides them into splits and writes their manifest."""

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from inspector.dataset.check.names import name_findings
from inspector.dataset.check.run import MANIFEST
from inspector.dataset.division.divide import divide
from inspector.dataset.findings import MAX_NAMED, errors
from inspector.dataset.importing.items import DataImportError, Item, is_image
from inspector.dataset.importing.notes import notes_of
from inspector.dataset.importing.options import ImportOptions, refuse_unused
from inspector.dataset.importing.repeats import joined
from inspector.dataset.manifest import (
    ImageRow,
    Label,
    ManifestError,
    PieceRow,
    SignalRow,
    write_manifest,
)
from inspector.dataset.progress import Progress, silent
from inspector.dataset.raw_images import MOSAIC, RAW_SUFFIXES
from inspector.dataset.recordings import Layout, RecordingError, stated_rate_hz

_ID = re.compile(r"[^\w.\-]+")
_MAX_ID = 120
_STAGE = "files"
RATE_TOLERANCE = 0.01
"""Times in a CSV file state a rate no more exactly."""


@dataclass
class Imported:
    """A data set that was written."""

    manifest: Path
    rows: list[PieceRow]
    notes: list[str] = field(default_factory=list)
    """Sentences for the person who imports."""
    is_divided: bool = True


def write_import(source: Path, items: Iterable[Item], options: ImportOptions, progress: Progress = silent) -> Imported:
    """Writes a new folder. Raises DataImportError."""
    manifest = options.out / MANIFEST
    if manifest.exists():
        raise DataImportError(f"{manifest}: exists already; name a new folder with --out")
    root = source if source.is_dir() else source.parent
    listed = list(items)
    refuse_unused(options, {item.path.suffix.lower() for item in listed})
    pieces, repeats = joined(_pieces(root, listed))
    options.out.mkdir(parents=True, exist_ok=True)
    writer = _Writer(root, options)
    rows = []
    for done, (piece_id, files) in enumerate(pieces.items(), 1):
        rows.append(writer.row(piece_id, files))
        progress(_STAGE, done, len(pieces))
    for finding in errors(name_findings(rows)):
        raise DataImportError(finding.text)
    imported = _divided(manifest, rows, options)
    write_manifest(manifest, imported.rows)
    imported.notes += [*repeats, *notes_of(imported.rows)]
    return imported


def _pieces(root: Path, items: Sequence[Item]) -> dict[str, list[Item]]:
    """Items by the id of their piece. Raises DataImportError that lists the files that are gone."""
    _refuse_missing([item for item in items if not item.path.is_file()])
    pieces: dict[str, list[Item]] = defaultdict(list)
    used: Counter[str] = Counter()
    for item in items:
        if item.piece_id is not None:
            pieces[item.piece_id].append(item)
            continue
        name = _id_of(root, item.path)
        used[name] += 1
        pieces[name if used[name] == 1 else f"{name}-{used[name]}"].append(item)
    return pieces


def _refuse_missing(items: Sequence[Item]) -> None:
    """Raises DataImportError."""
    if not items:
        return
    is_windows = any("\\" in str(item.path) for item in items)
    remedy = "write / for \\ in the paths" if is_windows else "correct the table, or restore the files"
    named = "\n".join(f"{item.origin + ': ' if item.origin else ''}{item.path}" for item in items[:MAX_NAMED])
    more = f", the first {MAX_NAMED} of them" if len(items) > MAX_NAMED else ""
    raise DataImportError(f"{len(items)} file(s) do not exist{more}; {remedy}:\n{named}")


def _refuse_mixed(piece_id: str, items: Sequence[Item]) -> None:
    """Files of two parts under one id, such as a number that begins anew in every folder. Raises DataImportError."""
    named: dict[str, Item] = {}
    for item in items:
        for name, value in item.groups.items():
            other = named.setdefault(name, item)
            if other.groups[name] != value:
                raise _mixed(piece_id, other, item, f"{name} {other.groups[name]} and {value}")
    sensors: dict[str, Item] = {}
    for item in items:
        if not is_image(item.path) and (other := sensors.setdefault(item.source or "", item)) is not item:
            raise _mixed(piece_id, other, item, "one sensor")


def _mixed(piece_id: str, one: Item, other: Item, of: str) -> DataImportError:
    return DataImportError(
        f"piece {piece_id!r}: {one.path} and {other.path} are of {of}: parts that differ need ids that differ; take "
        "more of the path into the piece's id, or leave it out (then each file is a piece)"
    )


def _id_of(root: Path, path: Path) -> str:
    relative = Path(os.path.relpath(path, root)).with_suffix("").as_posix()
    return _ID.sub("-", relative).strip("-.")[-_MAX_ID:] or "piece"


class _Writer:
    """Makes rows, and the files that they need in the new folder."""

    def __init__(self, root: Path, options: ImportOptions) -> None:
        self._root, self._options, self._out = root, options, options.out

    def row(self, piece_id: str, items: Sequence[Item]) -> PieceRow:
        """Raises DataImportError."""
        _refuse_mixed(piece_id, items)
        labels = {item.label for item in items}
        label: Label = "nok" if "nok" in labels else "unknown" if "unknown" in labels else "ok"
        try:
            return PieceRow(
                piece_id=piece_id,
                images=tuple(self._image(item) for item in items if is_image(item.path)),
                signals=tuple(self._signal(item) for item in items if not is_image(item.path)),
                label=label,
                defect_probability=items[0].defect_probability,
                defects=tuple(sorted({name for item in items for name in item.defects})),
                mask=self._mask(piece_id, items),
                split="train",
                groups=self._groups(items),
                product=items[0].product,
            )
        except DataImportError:
            raise
        except ValueError as exc:
            raise DataImportError(f"piece {piece_id!r}: {exc}") from exc

    def _image(self, item: Item) -> ImageRow:
        options = self._options
        is_raw = item.path.suffix.lower() in RAW_SUFFIXES
        if is_raw and (options.pixels is None or options.size_px is None):
            raise DataImportError(
                f"{item.path}: has no header; say how its pixels are packed: --pixels MONO12P --size 1920x1080"
            )
        width_px, height_px = options.size_px if is_raw and options.size_px else (None, None)
        return ImageRow(
            camera=item.source or options.camera,
            path=self._place(item.path),
            bit_depth=options.bit_depth,
            pixels=options.pixels if is_raw or str(options.pixels).startswith(MOSAIC) else None,
            width_px=width_px,
            height_px=height_px,
        )

    def _signal(self, item: Item) -> SignalRow:
        options = self._options
        layout = options.layout.of_file(item.path)
        return SignalRow(
            sensor=item.source or options.sensor,
            kind=options.kind,
            sample_rate_hz=self._rate_hz(item.path, layout),
            path=self._place(item.path),
            columns=layout.columns,
            channels_first=layout.channels_first,
        )

    def _rate_hz(self, path: Path, layout: Layout) -> float:
        """A file that cannot be read gets the rate of the options: `data check` says what is wrong with it."""
        try:
            stated = stated_rate_hz(path, self._options.kind, layout)
        except RecordingError as exc:
            if self._options.rate_hz is None:
                raise DataImportError(f"{exc} (with --rate HZ, `inspector data check` lists all bad files)") from exc
            stated = None
        if stated and self._options.rate_hz and abs(stated - self._options.rate_hz) > RATE_TOLERANCE * stated:
            raise DataImportError(
                f"{path}: states {stated:g} Hz, --rate says {self._options.rate_hz:g} Hz: leave it out"
            )
        rate_hz = stated or self._options.rate_hz
        if rate_hz is None:
            raise DataImportError(f"{path}: does not state its sample rate: give it with --rate HZ")
        return rate_hz

    def _groups(self, items: Sequence[Item]) -> dict[str, str]:
        grouping = self._options.grouping
        groups = {name: value for item in items for name, value in item.groups.items()}
        if grouping.is_given or not groups:
            relative = Path(os.path.relpath(items[0].path, self._root))
            groups |= grouping.groups_of(relative)
        return groups

    def _place(self, path: Path) -> str:
        if not self._options.copy:
            return Path(os.path.relpath(path.resolve(), self._out.resolve())).as_posix()
        target = self._out / "files" / os.path.relpath(path, self._root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return target.relative_to(self._out).as_posix()

    def _mask(self, piece_id: str, items: Sequence[Item]) -> str | None:
        mask = next((item.mask for item in items if item.mask is not None), None)
        if mask is None:
            return None
        if isinstance(mask, Path):
            return self._place(mask)
        folder = self._out / "masks"
        folder.mkdir(exist_ok=True)
        target = folder / f"{_ID.sub('-', piece_id)}.png"
        cv2.imwrite(str(target), mask)
        return target.relative_to(self._out).as_posix()


def _divided(manifest: Path, rows: list[PieceRow], options: ImportOptions) -> Imported:
    axes = sorted({name for row in rows for name in row.groups})
    try:
        division = divide(manifest.parent, rows, options.shares, axes, options.seed)
    except ManifestError as exc:
        return Imported(manifest, rows, [f"All pieces are in split train: {exc}"], is_divided=False)
    if not division.left_out:
        return Imported(manifest, division.rows)
    other = manifest.with_name("left-out.jsonl")
    write_manifest(other, division.left_out)
    note = (
        f"{len(division.left_out)} of {len(rows)} pieces join a group of one split to a group of another: they are "
        f"left out, and listed in {other}"
    )
    return Imported(manifest, division.rows, [note])
