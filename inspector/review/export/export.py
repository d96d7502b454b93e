"""Writes a data set of reviewed pieces: manifest and recordings for `inspector train`, COCO and Label Studio files."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.rows import KeptRecording, PieceFilter
from inspector.dataset.manifest import PieceRow, Split, write_manifest
from inspector.review.export.coco import Box, ExportedImage, write_coco
from inspector.review.export.consensus import Consensus, NoConsensus, consensus
from inspector.review.export.files import (
    FOLDER,
    RecordingGoneError,
    RecordingStore,
    image_row,
    png_size,
    signal_row,
    write_recordings,
)
from inspector.review.export.grouping import SHARES, Member, Placed, place
from inspector.review.export.label_studio import write_label_studio
from inspector.review.export.release import HOLDER, hold_name
from inspector.review.export.reviewed import SpokenAbout, spoken_about
from inspector.review.queue import hold
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.observation import InspectionId

MANIFEST, LEFT_OUT, SUMMARY = "manifest.jsonl", "left-out.jsonl", "export.json"
COCO, TASKS, INTERFACE = "coco.json", "label-studio.json", "label-studio.xml"
MAX_NAME = 128
UNPROVEN = "nobody has proven the name under any finding"
FEW_GROUPS = 10


class ExportError(ValueError):
    """There is no data set to write; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A piece that people spoke about and that is not in the data set."""

    piece: str
    why: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of an exported data set."""

    num_pieces: int
    num_by_split: Mapping[Split, Mapping[str, int]]
    """Pieces by split and label."""
    num_by_decision: Mapping[str, int]
    """Pieces by the line's decision."""
    num_known: int
    """Known pieces among those spoken about: they measure people and are left out, without a name."""
    num_left_out: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the data set before it has a split."""

    name: str
    spoken: SpokenAbout
    agreed: Consensus
    recordings: tuple[KeptRecording, ...]


def export_dataset(
    database: Database,
    store: RecordingStore,
    piece_filter: PieceFilter,
    out: Path,
    *,
    seed: int = 0,
    proven_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Writes to an empty or new folder. Its pieces are held from retention until `release`. With `proven_only`
    findings under a name that nobody has proven do not count. Raises ExportError, StoreError, OSError."""
    _prepare(out)
    spoken = spoken_about(database, piece_filter, proven_only=proven_only)
    return _Export(database, store, out, seed, progress).run(spoken)


class _Export:
    def __init__(
        self, database: Database, store: RecordingStore, out: Path, seed: int, progress: Callable[[int, int], None]
    ) -> None:
        self._database, self._archive, self._store = database, Archive(database), store
        self._out, self._seed, self._progress = out, seed, progress
        self._left_out: list[LeftOut] = []

    def run(self, spoken: Sequence[SpokenAbout]) -> Summary:
        pieces = self._with_recordings(_named(self._agreed([piece for piece in spoken if not piece.is_known])))
        if not pieces:
            raise ExportError(
                f"no piece can be exported: {len(spoken)} pieces were spoken about, {len(self._left_out)} left out "
                f"({_most(self._left_out)}); review pieces first, or choose an earlier --since"
            )
        rows = self._rows(pieces)
        self._hold(pieces)
        write_manifest(self._out / MANIFEST, rows)
        self._write_others(pieces, rows)
        summary = _summary(pieces, rows, spoken, self._left_out)
        _write_lines(self._out / LEFT_OUT, [asdict(each) for each in self._left_out])
        (self._out / SUMMARY).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
        return summary

    def _agreed(self, spoken: Sequence[SpokenAbout]) -> list[tuple[SpokenAbout, Consensus]]:
        agreed = []
        for each in spoken:
            outcome = consensus(each.findings)
            if each.was_read_twice:
                self._leave_out(each, "two parts were read under this id")
            elif isinstance(outcome, NoConsensus):
                self._left_out.append(LeftOut(str(each.inspection), outcome.why, outcome.answers))
            elif outcome is not None:
                agreed.append((each, outcome))
            elif each.num_unproven and not each.findings:
                self._leave_out(each, UNPROVEN)
        return agreed

    def _with_recordings(self, named: Sequence[tuple[str, SpokenAbout, Consensus]]) -> list[_Piece]:
        """Those whose recordings are all there, with the files written."""
        pieces = []
        for number, (name, spoken, agreed) in enumerate(named):
            self._progress(number, len(named))
            recordings = self._archive.recordings(spoken.key)
            kept = tuple(recording for recording in recordings if recording.sha256 is not None)
            try:
                write_recordings(self._out, kept, self._store)
            except RecordingGoneError as error:
                self._leave_out(spoken, str(error))
                continue
            if kept:
                pieces.append(_Piece(name, spoken, agreed, kept))
            else:
                self._leave_out(spoken, "no recording of it is kept")
        self._progress(len(named), len(named))
        return pieces

    def _rows(self, pieces: Sequence[_Piece]) -> list[PieceRow]:
        members = [
            Member(p.name, p.agreed.label, p.spoken.lot, tuple(r.sha256 or "" for r in p.recordings)) for p in pieces
        ]
        placed = place(members, self._seed)
        return [_row(piece, placed[piece.name]) for piece in pieces]

    def _hold(self, pieces: Sequence[_Piece]) -> None:
        now_ns = time.time_ns()
        with self._database.write() as connection:
            for piece in pieces:
                hold(connection, piece.spoken.key, hold_name(self._out), now_ns, holder=HOLDER)

    def _write_others(self, pieces: Sequence[_Piece], rows: Sequence[PieceRow]) -> None:
        images = {row.piece_id: self._images(piece, row) for piece, row in zip(pieces, rows, strict=True)}
        write_coco(self._out / COCO, [image for row in rows for image in images[row.piece_id]])
        bundle = self._archive.row(pieces[-1].spoken.key).bundle or "inspector"
        write_label_studio(self._out / TASKS, self._out / INTERFACE, rows, images, bundle)

    def _images(self, piece: _Piece, row: PieceRow) -> list[ExportedImage]:
        verdict = self._archive.verdict(piece.spoken.key)
        first = {image.camera: image.path for image in reversed(row.images)}
        return [
            ExportedImage(
                row, image.camera, image.path, *png_size(self._out / image.path),
                _boxes(verdict, image.camera) if row.label == "nok" and first[image.camera] == image.path else (),
            )
            for image in row.images
        ]  # fmt: skip

    def _leave_out(self, spoken: SpokenAbout, why: str) -> None:
        self._left_out.append(LeftOut(str(spoken.inspection), why))


def _prepare(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is there already: name a new folder, for a data set is never changed afterwards")
    (out / FOLDER).mkdir(parents=True, exist_ok=True)


def _named(agreed: Sequence[tuple[SpokenAbout, Consensus]]) -> list[tuple[str, SpokenAbout, Consensus]]:
    """The piece's id where only one inspection has it, else the whole inspection."""
    times = Counter(spoken.inspection.piece_id for spoken, _ in agreed)
    return [
        (_name(spoken.inspection, is_alone=times[spoken.inspection.piece_id] == 1), spoken, label)
        for spoken, label in agreed
    ]


def _name(inspection: InspectionId, *, is_alone: bool) -> str:
    return inspection.piece_id if is_alone else str(inspection)[-MAX_NAME:]


def _row(piece: _Piece, placed: Placed) -> PieceRow:
    return PieceRow(
        piece_id=piece.name,
        images=tuple(image_row(r) for r in piece.recordings if r.kind == "image"),
        signals=tuple(signal_row(r) for r in piece.recordings if r.kind != "image"),
        label=piece.agreed.label,
        defects=piece.agreed.defects,
        split=placed.split,
        groups=placed.groups,
        product=piece.spoken.product,
    )


def _boxes(verdict: Verdict, camera: str) -> tuple[Box, ...]:
    return tuple(
        Box(region.x_px, region.y_px, region.width_px, region.height_px, region.strength)
        for image in verdict.images
        if image.camera == camera
        for region in image.regions
    )


def _summary(
    pieces: Sequence[_Piece], rows: Sequence[PieceRow], spoken: Sequence[SpokenAbout], left_out: Sequence[LeftOut]
) -> Summary:
    splits = {split: _num_by_label([row for row in rows if row.split == split]) for split in SHARES}
    decisions = Counter(enum_word(Decision, piece.spoken.decision) for piece in pieces)
    notes = _notes(rows, decisions, num_single=sum(piece.agreed.num_people == 1 for piece in pieces))
    if num_unproven := sum(each.num_unproven for each in spoken):
        notes += (f"{num_unproven} findings do not count: nobody has proven the name under them",)
    num_known = sum(each.is_known for each in spoken)
    return Summary(len(rows), splits, dict(decisions), num_known, len(left_out), notes)


def _num_by_label(rows: Sequence[PieceRow]) -> dict[str, int]:
    return dict(Counter[str](row.label for row in rows))


def _notes(rows: Sequence[PieceRow], decisions: Counter[str], num_single: int) -> tuple[str, ...]:
    """Limits of the data that training should heed."""
    notes = [f"{num_single} of {len(rows)} labels are the word of one person"]
    without_lot = sum("lot" not in row.groups for row in rows)
    if without_lot:
        notes.append(
            f"{without_lot} pieces have no lot: they are grouped by shared recordings alone, so pieces made together "
            "may be in two splits; send the lot with frames or entries"
        )
    num_groups = len(
        {(row.groups.get("lot"), row.groups["recording"] if "lot" not in row.groups else "") for row in rows}
    )
    if num_groups < FEW_GROUPS:
        notes.append(f"only {num_groups} groups: splits are far from 60:20:20; review pieces of more lots")
    if decisions["PASS"] < 0.5 * len(rows):
        notes.append("most pieces are those that the line did not pass: no fair sample of what it makes")
    return tuple(notes)


def _most(left_out: Sequence[LeftOut]) -> str:
    counts = Counter(piece.why for piece in left_out).most_common(3)
    return "; ".join(f"{number}: {why}" for why, number in counts) or "none had a finding"


def _write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
