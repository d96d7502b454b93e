"""Gathers the complete files of a folder into pieces, and says which are ready."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from inspector.sources.arrivals import Arrival
from inspector.sources.pattern import Named, NamePattern
from streams.join.assembly import AssemblySpec
from streams.reminder import Reminder

log = logging.getLogger("inspector.sources")


@dataclass(slots=True)
class FilePiece:
    """The files of one piece so far."""

    piece_id: str
    product: str = ""
    files: dict[str, dict[str, tuple[Named, Arrival]]] = field(default_factory=dict)
    """By camera or sensor, by path."""
    newest_s: float = 0.0
    """When the last of them was found, on the monotonic clock."""

    @property
    def arrivals(self) -> list[Arrival]:
        return [arrival for files in self.files.values() for _, arrival in files.values()]

    def missing(self, spec: AssemblySpec) -> list[str]:
        """Cameras and sensors of which files are still to come."""
        wanted = {camera.name: camera.num_frames for camera in spec.cameras} | {
            sensor.name: 1 for sensor in spec.sensors
        }
        return [name for name, count in wanted.items() if len(self.files.get(name, ())) < count]


class Gathering:
    """Pieces that wait for their files. A piece is ready when all are there, or no further one came for `wait_s`."""

    def __init__(
        self,
        pattern: NamePattern,
        spec: AssemblySpec,
        wait_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pattern, self._spec, self._wait_s, self._monotonic = pattern, spec, wait_s, monotonic
        self._waiting: dict[str, FilePiece] = {}
        self._strangers: set[str] = set()
        self._reminder: Reminder[str] = Reminder()

    @property
    def num_strangers(self) -> int:
        """Files in the folder that are of no piece."""
        return len(self._strangers)

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """The files that are complete and not published yet. Those that were added before change nothing."""
        self._strangers &= {arrival.path for arrival in arrivals}
        for arrival in arrivals:
            if named := self._pattern(arrival.path):
                self._put(named, arrival)
            elif arrival.path not in self._strangers and not arrival.path.rpartition("/")[2].startswith("."):
                self._strangers.add(arrival.path)
                self._reminder.add(arrival.path.rpartition(".")[2].lower(), arrival.path, "")

    def ready(self, *, at_once: bool = False) -> Iterator[FilePiece]:
        """Takes the pieces that are ready, oldest first; `at_once`: all."""
        now_s = self._monotonic()
        for piece in list(self._waiting.values()):
            if at_once or not piece.missing(self._spec) or now_s - piece.newest_s >= self._wait_s:
                del self._waiting[piece.piece_id]
                yield piece

    def may_wait(self, piece: FilePiece) -> bool:
        """Whether its last file is so new that it may still be written."""
        return self._monotonic() - piece.newest_s < self._wait_s

    def put_back(self, piece: FilePiece) -> None:
        """A piece that was ready and is tried again later."""
        self._waiting[piece.piece_id] = piece

    def say_strangers(self) -> None:
        """One line for files that fit no pattern, by ending, however many there are."""
        for _, happened in self._reminder.due(self._monotonic()):
            log.warning(
                "Ignored %d file(s) whose names do not fit %s (such as %s): correct --pattern, or keep them elsewhere.",
                happened.count,
                " or ".join(self._pattern.texts),
                ", ".join(happened.names),
            )

    def _put(self, named: Named, arrival: Arrival) -> None:
        piece = self._waiting.setdefault(named.piece, FilePiece(named.piece))
        piece.product = named.product or piece.product
        files = piece.files.setdefault(named.source, {})
        if files.get(arrival.path) != (named, arrival):
            files[arrival.path] = (named, arrival)
            piece.newest_s = self._monotonic()
