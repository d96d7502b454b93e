"""Publishes a piece for each trigger: its event, and the pictures that every camera takes from that moment on."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from inspector.sources.newest import Follower, Picture
from inspector.sources.patient import PatientPublisher, StoppedError
from inspector.sources.pictures import FrameContent, PictureError, encode
from inspector.sources.progress import Progress
from inspector.sources.target import Target, TargetError
from inspector.sources.triggers import Trigger
from protos.inspection.v1 import records_pb2 as pb
from streams.encoding import to_output
from streams.reminder import Reminder

log = logging.getLogger("inspector.sources")
REPORT_S, LOOK_S = 60.0, 0.05
OPENING = 5
"""At the start cameras may take so many times `wait_s`: streams need seconds to open."""


@dataclass(slots=True)
class Counts:
    """What was published, and what was not."""

    pieces: int = 0
    pictures: int = 0
    missing: int = 0
    """Pictures that no camera took in time."""
    refused: int = 0
    """Pieces and pictures that cannot be sent."""

    def __str__(self) -> str:
        words = f"{self.pieces} pieces, {self.pictures} pictures"
        words += f", {self.missing} pictures missing" if self.missing else ""
        return words + (f", {self.refused} refused" if self.refused else "")


@dataclass(slots=True)
class CameraStation:
    """The cameras of one station. One thread runs it."""

    target: Target
    publisher: PatientPublisher
    content: FrameContent
    cameras: Mapping[str, Follower]
    """By the camera's name in the recipe."""
    wait_s: float = 2.0
    """How long a piece waits for each picture."""
    jpeg_quality: int | None = None
    counts: Counts = field(default_factory=Counts)
    _reminder: Reminder[str] = field(default_factory=lambda: Reminder(REPORT_S))
    _progress: Progress = field(default_factory=Progress)

    def run(self, triggers: Iterable[Trigger], stop: threading.Event, most: int | None = None) -> Counts:
        """Until the triggers end, `stop` is set, every camera has ended or `most` pieces are out. Raises LogError."""
        try:
            self._wait_for_cameras(stop)
            for trigger in triggers:
                if self._have_ended():
                    break
                self._piece(trigger)
                self._report()
                self._progress.say(self.counts)
                if stop.is_set() or self.counts.pieces == most:
                    break
        except StoppedError as exc:
            log.warning("%s", exc)
        return self.counts

    def _wait_for_cameras(self, stop: threading.Event) -> None:
        """The first piece finds the cameras open, unless one is away."""
        deadline_s = time.monotonic() + OPENING * self.wait_s
        for follower in self.cameras.values():
            while not follower.newest.has_ended and follower.newest.taken_after(0, LOOK_S) is None:
                if stop.is_set() or time.monotonic() >= deadline_s:
                    return

    def _have_ended(self) -> bool:
        return all(follower.newest.has_ended for follower in self.cameras.values())

    def _piece(self, trigger: Trigger) -> None:
        try:
            inspection = self.target.inspection(trigger.piece_id)
        except TargetError as exc:
            self._refused("piece", trigger.piece_id, str(exc))
            return
        product = trigger.product or self.target.product
        event = pb.PieceEvent(
            inspection=inspection,
            product=product,
            lot=self.target.lot,
            kind=pb.PIECE_EVENT_KIND_ENTERED,
            event_ns=trigger.at_ns,
        )
        self.publisher.publish([to_output(self.target.topics, event)])
        self.counts.pieces += 1
        taken = list(self._pictures(event))
        for camera, sequence, picture in taken:  # encoded afterwards: no camera waits for another one's file
            self._frame(event, camera, sequence, picture)
        self.publisher.flush()

    def _pictures(self, event: pb.PieceEvent) -> Iterator[tuple[str, int, Picture]]:
        """All pictures of all cameras, which take theirs at the same time and share the deadline."""
        deadline_s = time.monotonic() + self.wait_s
        for camera, follower in self.cameras.items():
            moment_ns = event.event_ns
            for sequence in range(self._num_frames(camera)):
                picture = follower.newest.taken_after(moment_ns, max(0.0, deadline_s - time.monotonic()))
                if picture is None:
                    self._missing(event, camera, follower)
                    break
                yield camera, sequence, picture
                moment_ns = picture.capture_ns + 1

    def _missing(self, event: pb.PieceEvent, camera: str, follower: Follower) -> None:
        self.counts.missing += 1
        words = f"{follower.name} took no picture within {self.wait_s:g} s of the piece's arrival"
        self._reminder.add(camera, event.inspection.piece_id, words)

    def _num_frames(self, camera: str) -> int:
        return next((spec.num_frames for spec in self.target.spec.cameras if spec.name == camera), 1)

    def _frame(self, event: pb.PieceEvent, camera: str, sequence: int, picture: Picture) -> None:
        frame = pb.CameraFrame(
            inspection=event.inspection,
            product=event.product,
            lot=event.lot,
            camera=camera,
            sequence=sequence,
            capture_ns=picture.capture_ns,
        )
        try:
            self.content.fill(frame, encode(picture.pixels, self.jpeg_quality))
        except PictureError as exc:
            self._refused(camera, event.inspection.piece_id, str(exc))
            return
        self.publisher.publish([to_output(self.target.topics, frame)])
        self.counts.pictures += 1

    def _refused(self, what: str, piece_id: str, why: str) -> None:
        self.counts.refused += 1
        self._reminder.add(what, piece_id, why)

    def _report(self) -> None:
        """One line a minute for each camera with a problem, however many pieces have it."""
        for what, happened in self._reminder.due(time.monotonic()):
            pieces = ", ".join(happened.names)
            log.warning("%s: %s (%d times; last pieces: %s).", what, happened.words, happened.count, pieces)
