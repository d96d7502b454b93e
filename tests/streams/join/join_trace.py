"""Everything that a join shows to its owner, turn by turn, on a line with faults and a worker that takes its time."""

from dataclasses import replace
from random import Random

import numpy as np

from streams.decode.items import EventKind, Frame, Item, Origin, Rejected
from streams.join.assembly import JoinSettings
from streams.join.join import Join
from streams.join.join_metrics import NoMetrics
from streams.observation import InspectionId, Observation
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    LETTERS,
    PIECES,
    SECOND,
    SETTINGS,
    T0,
    TOPICS,
    VERDICTS,
    Book,
    Log,
    Make,
    event,
    frame,
)
from tests.streams.join.test_join_properties import Line


class OpenedByTraces(Book):
    """Traces open their pieces."""

    def traces_open(self, line: str, station: str) -> bool:
        return True


class Noted(NoMetrics):
    """Keeps how long pieces waited, and for what."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None:
        self.calls.append((station, modality, wait_s))


def large(inspection: InspectionId, camera: str, sequence: int, capture_ns: int) -> Make:
    """An image that is decoded later."""
    make = frame(inspection, camera, sequence, capture_ns)

    def without_image(origin: Origin) -> Item:
        item = make(origin)
        assert isinstance(item, Frame)
        return replace(item, image=None)

    return without_image


def log_of(random: Random) -> Log:
    """A line with everyday faults, aborted pieces and large images."""
    longest_ns = random.choice((0, 1, 8)) * SECOND
    line = Line(random, max_delay_ns=random.randint(0, 3 * SECOND), chunk_delay_ns=longest_ns)
    for number in range(random.randint(0, 3)):
        inspection = InspectionId("line", random.choice("abc"), f"p{number}")
        at_ns = T0 + random.randint(0, 5 * SECOND)
        line.put(PIECES, at_ns, event(inspection, EventKind.ABORTED, at_ns))
        other = inspection._replace(piece_id=f"q{number}")
        line.put(FRAMES, at_ns, large(other, "side", random.randint(0, 1), at_ns))
    return line.whole()


def settings_of(random: Random) -> JoinSettings:
    return replace(
        SETTINGS,
        max_open_pieces=random.choice((2, 256)),
        max_open_bytes=random.choice((40, 10**9)),
        max_signal_bytes=random.choice((20_000, 10**9)),
        max_stations=random.choice((1, 4)),
        reorder_s=random.choice((0.0, 0.25)),
    )


class Owner:
    """Drives a join by random turns."""

    def __init__(self, log: Log, random: Random, settings: JoinSettings, book: Book) -> None:
        self._log, self._random, self._settings, self._book = log, random, settings, book
        self.shown: list[object] = []
        self._begin()

    def _begin(self) -> None:
        """A new owner takes over what was committed."""
        assignment, judged = self._log.assignment()
        self._metrics = Noted()
        self.join = Join(assignment, judged, self._book, TOPICS, self._settings, self._metrics)
        self._next = {at: assignment.starts[at.topic] for at in self._log.input}
        self._pending: list[Observation] = []
        self._fetching: list[Frame] = []
        self._paused: frozenset[TopicPartition] = frozenset()

    def turn(self, now_ns: int) -> None:
        random, join = self._random, self.join
        ends = {at: self._log.visible(at, now_ns) for at in self._log.input}
        for at in random.sample(list(ends), 3):
            size = 0 if at in self._paused else random.choice((0, 1, 3, 10, 200))
            for item in self._log.input[at][self._next[at] : min(ends[at], self._next[at] + size)]:
                join.add(item)
                self._next[at] += 1
        self._fetch()
        if random.random() < 0.05:
            join.make_room_for(random.choice((1, 10, 100)))
        unread = frozenset(at for at in ends if self._next[at] < ends[at])
        closed = join.advance(unread, not unread and random.random() < 0.8, (now_ns - T0) / 1e9)
        self._pending += closed
        self._paused = join.ahead()
        self.shown += [[shown(piece) for piece in closed], self._paused, self._figures(), self._metrics.calls]
        self._metrics.calls = []
        if random.random() < 0.5:
            self._commit()
        if random.random() < 0.03:
            self._begin()

    def _fetch(self) -> None:
        """Some images arrive, some do not, and some after their piece has closed."""
        self._fetching += self.join.references()
        random, arrived = self._random, []
        for each in self._fetching:
            if random.random() < 0.3:
                arrived.append(each)
        for each in arrived:
            self._fetching.remove(each)
            image = None if random.random() < 0.3 else np.full((2, 2), each.origin.offset, np.uint16)
            if each.reference is not None:
                self.join.resolve(each.inspection, each.camera, each.sequence, image, "not there")
            elif image is None:
                self.join.decoded(each, Rejected(each.origin, 3, "bad", each.station, inspection=each.inspection))
            else:
                self.join.decoded(each, replace(each, image=image))

    def _figures(self) -> object:
        join = self.join
        stations = [(station.name, station.clock.now_ns, station.is_empty) for station in join._stations]
        return (
            (join.num_open, join.open_bytes, join.held_bytes, join.signal_bytes),
            (sorted(join.first_open.items()), stations),
        )

    def _commit(self) -> None:
        letters, num = self.join.rejected(), self._random.choice((0, 1, 100))
        done, self._pending = self._pending[:num], self._pending[num:]
        self.join.settle(each.inspection for each in done)
        positions = self.join.positions()
        self.shown += [positions, [(letter.origin, letter.reason, letter.detail) for letter in letters]]
        self._log.positions.update(positions)
        self._log.verdicts += done
        self._log.letters += letters
        self.join.committed({VERDICTS: len(self._log.verdicts), LETTERS: len(self._log.letters)})


def shown(piece: Observation) -> object:
    views = [(view.camera, view.state, view.absence, view.offsets, view.detail) for view in piece.views.values()]
    clips = [
        (clip.sensor, clip.state, clip.absence, clip.coverage, clip.spans, clip.detail, clip.first_ns)
        for clip in piece.clips.values()
    ]
    samples = [clip.samples.tobytes() for clip in piece.clips.values() if clip.samples is not None]
    times = piece.entry_ns, piece.capture_ns, piece.append_ns, piece.arrival_ns
    return piece.inspection, piece.closing, views, clips, samples, times, piece.is_read_twice


def join_trace(seed: int) -> list[object]:
    """What a join shows in a run."""
    random = Random(seed)
    log, settings = log_of(random), settings_of(random)
    owner = Owner(log, random, settings, random.choice((Book(), OpenedByTraces())))
    now_ns, end_ns = T0, log.end_ns + 12 * SECOND
    while now_ns < end_ns:
        now_ns += random.choice((10, 100, 400, 900, 1500)) * 1_000_000
        owner.turn(now_ns)
    return owner.shown
