"""Publishes the files that appear in a folder, each piece once."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from inspector.dataset.recordings import PLAIN, Layout
from inspector.replay.pacing import Clock, publish_paced
from inspector.sources.arrivals import Arrival, Arrivals, FolderError
from inspector.sources.file_piece import PieceRecords, read_files
from inspector.sources.gathering import FilePiece, Gathering
from inspector.sources.journal import Journal
from inspector.sources.patient import PatientPublisher, StoppedError
from inspector.sources.pictures import FrameContent
from inspector.sources.progress import Progress
from inspector.sources.target import Target, TargetError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.sources")
SAME_PIECE_NS = 20_000_000_000
"""A piece whose publication was cut off less than this ago is published again under the same times: the service drops
what it has already. Later it would refuse these times as too old."""


@dataclass(slots=True)
class FolderCounts:
    pieces: int = 0
    files: int = 0
    broken: int = 0
    """Files that were left out."""
    incomplete: int = 0
    """Pieces that were published without some of their files."""
    strangers: int = 0
    """Files that are of no piece."""
    earlier: int = 0
    """Files that an earlier run published or left out, by the journal; they are not sent again."""

    def __str__(self) -> str:
        words = (
            f"{self.pieces} pieces {f'of {self.files} files' if self.files or not self.pieces else 'without a file'}"
        )
        for count, text in (
            (self.incomplete, "incomplete pieces"),
            (self.broken, "files left out"),
            (self.strangers, "files of no piece"),
            (self.earlier, "files of an earlier run not sent again"),
        ):
            words += f", {count} {text}" if count else ""
        return words


@dataclass(slots=True)
class FolderSource:
    """One watched folder. One thread runs it."""

    folder: Path
    target: Target
    publisher: PatientPublisher
    content: FrameContent
    gathering: Gathering
    journal: Journal
    done_folder: Path | None = None
    """Published files are moved there; None: they stay."""
    layout: Layout = PLAIN
    """Of signal files."""
    clock: Callable[[], Clock] = Clock
    counts: FolderCounts = field(default_factory=FolderCounts)
    arrivals: Arrivals = field(init=False)
    outage: Outage = field(init=False)
    _progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.arrivals = Arrivals(self.folder)
        lines = OutageLines(log, _waits, f"{self.folder} can be read again.")
        self.outage = Outage(lines, OutagePolicy(0.5, 15.0, errors=(FolderError,), lost=()))

    def run(self, stop: threading.Event, poll_s: float, *, once: bool = False, most: int | None = None) -> FolderCounts:
        """Until `stop` is set or `most` pieces are out; `once`: publishes what is there, complete or not, and ends.
        Raises LogError, JournalError; FolderError with `once` only."""
        self.counts.earlier = len(self.journal)
        if self.counts.earlier:
            log.info(
                "%d files of %s are in the journal of an earlier run, which published them or left them out: they are "
                "not sent again. To send them again, delete %s.",
                *(self.counts.earlier, self.folder, self.journal.path),
            )
        try:
            looks = 0
            while not stop.is_set() and (most is None or self.counts.pieces < most):
                pause_s = self._look(stop, at_once=once and looks > 0, is_patient=not once, most=most)
                looks += 1
                if once and looks > 1:
                    break
                stop.wait(poll_s if pause_s is None else pause_s)
        except StoppedError as exc:
            log.warning("%s", exc)
        return self.counts

    def _look(self, stop: threading.Event, *, at_once: bool, is_patient: bool, most: int | None) -> float | None:
        """Publishes the pieces that are ready. Returns how long to wait where the folder cannot be read."""
        try:
            complete = self.arrivals.look()
        except FolderError as exc:
            if not is_patient:
                raise
            return self.outage.failed(exc)
        self.outage.worked()
        self.gathering.add([arrival for arrival in complete if not self.journal.has(arrival)])
        self.counts.strangers = self.gathering.num_strangers
        self.gathering.say_strangers()
        for piece in list(self.gathering.ready(at_once=at_once)):
            self._publish(piece, at_once=at_once)
            if stop.is_set() or self.counts.pieces == most:
                break
        return None

    def _publish(self, piece: FilePiece, *, at_once: bool) -> None:
        read = read_files(self.folder, piece, self.target, self.layout)
        if read.problems and not at_once and self.gathering.may_wait(piece):
            self.gathering.put_back(piece)  # perhaps somebody still writes
            return
        clock = self.clock()
        entry_ns = self._entry_ns(piece, clock.now_ns())
        try:
            records = PieceRecords(self.target, self.content, piece, entry_ns).of(read)
        except TargetError as exc:
            self._left_out(", ".join(arrival.path for arrival in piece.arrivals), str(exc))
            self.journal.done(piece.piece_id, piece.arrivals)
            return
        self.journal.begin(piece.piece_id, entry_ns)
        publish_paced(records, self.publisher, clock)
        self.journal.done(piece.piece_id, piece.arrivals)
        self._count(piece, read.problems)
        self._progress.say(self.counts)
        self._move([arrival for arrival in piece.arrivals if arrival.path not in read.problems])

    def _entry_ns(self, piece: FilePiece, now_ns: int) -> int:
        """Now, or the time at which an earlier run has published a part of it."""
        before_ns = self.journal.begun.get(piece.piece_id)
        if before_ns is None:
            return now_ns
        if 0 <= now_ns - before_ns < SAME_PIECE_NS:
            return before_ns
        log.warning("Piece %s may be judged twice: the program ended while it published this piece.", piece.piece_id)
        return now_ns

    def _count(self, piece: FilePiece, problems: dict[str, str]) -> None:
        self.counts.pieces += 1
        self.counts.files += len(piece.arrivals) - len(problems)
        for path, why in problems.items():
            self._left_out(path, why)
        if missing := piece.missing(self.target.spec):
            self.counts.incomplete += 1
            log.warning("Piece %s was published without %s: no file came.", piece.piece_id, ", ".join(missing))

    def _left_out(self, path: str, why: str) -> None:
        self.counts.broken += 1
        log.warning("%s is left out: %s.", path, why.removeprefix(f"{self.folder / path}: ").rstrip("."))

    def _move(self, arrivals: list[Arrival]) -> None:
        if self.done_folder is None:
            return
        for arrival in arrivals:
            goal = self.done_folder / arrival.path
            try:
                goal.parent.mkdir(parents=True, exist_ok=True)
                if goal.exists():
                    goal = goal.with_name(f"{goal.stem}.{time.time_ns()}{goal.suffix}")
                shutil.move(self.folder / arrival.path, goal)
            except OSError as exc:
                log.warning("%s is published and cannot be moved to %s (%s); move it by hand.", arrival.path, goal, exc)
            else:
                self.journal.forget(arrival.path)
                self.arrivals.forget(arrival.path)


def _waits(reason: object) -> str:
    return f"{reason}. Waiting for the folder and trying again."
