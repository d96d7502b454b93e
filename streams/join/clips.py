"""Turns the chunks of one sensor into clips: places samples by count and cuts windows by event time.

Every sample has one slot in a grid of 1 / rate that starts at the Unix epoch, so that each instant has one sample: the
first one received. All positions are integers; nothing drifts or is rounded twice.
"""

from bisect import bisect_left, bisect_right, insort_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.decode.items import Chunk
from streams.join.assembly import SensorSpec
from streams.join.chunk_history import ChunkHistory
from streams.join.spans import Part, spans_of
from streams.observation import Span

SECOND_NS = 1_000_000_000
SEGMENT_BYTES = 400
"""Memory of a segment in addition to its samples, bookkeeping included: it counts because a producer may send chunks of
one sample."""
Samples = NDArray[np.float32]


class Window(NamedTuple):
    """Event time from `start_ns` up to, not including, `end_ns`."""

    start_ns: int
    end_ns: int


class Cut(NamedTuple):
    """The samples of a window: (num_samples, num_channels), zeros in gaps; None without any sample."""

    samples: Samples | None
    coverage: float
    first_ns: int
    arrival_ns: int
    delays_ns: tuple[int, int]
    """The lowest and highest delay of its chunks, from their end to their append time."""
    equals_ns: int | None = None
    """Event time of the earlier samples that part of it repeats, as a cycling buffer does."""
    spans: tuple[Span, ...] = ()
    """Where its samples are in the log."""


class Rate:
    """Samples per second as an integer ratio; converts slots to nanoseconds and back."""

    def __init__(self, rate_hz: float) -> None:
        numerator, denominator = rate_hz.as_integer_ratio()
        self._slots, self._ns = numerator, denominator * SECOND_NS

    def slots(self, ns: int) -> int:
        """Whole slots in a duration (or in the time since the epoch), rounded down."""
        return ns * self._slots // self._ns

    def ns(self, slots: int) -> int:
        """Duration of a number of slots."""
        return slots * self._ns // self._slots

    def begin_ns(self, slot: int) -> int:
        """The first nanosecond in a slot."""
        return -(-slot * self._ns // self._slots)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Samples of one stream that are counted from one anchor."""

    stream_id: str
    first_sample: int
    anchor_ns: int
    """Event time of `first_sample`."""
    at: int
    """Slot of `first_sample`."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive samples in consecutive slots from `at`."""

    run: Run
    at: int
    samples: Samples
    offset: int
    append_ns: int
    equals_ns: int | None = None
    """Start of an earlier chunk of the sensor with the same samples."""
    content: bytes | None = None
    """Digest of its chunk in the history."""

    @property
    def end(self) -> int:
        return self.at + len(self.samples)

    @property
    def num_bytes(self) -> int:
        return self.samples.nbytes + SEGMENT_BYTES

    def delay_ns(self, rate: "Rate") -> int:
        """From its end, by sample count, to its append time."""
        return self.append_ns - self.run.anchor_ns - rate.ns(self.end - self.run.at)


class SensorStream:
    """The samples of one sensor that pieces may still need."""

    def __init__(self, spec: SensorSpec, jitter_s: float, contents: Sequence[bytes] = ()) -> None:
        """`contents`: settled digests from a predecessor."""
        self.newest_ns: int | None = None
        """Event time at which the newest sample ends; kept when the samples are dropped."""
        self.num_anchors = 0
        self.num_bytes = 0
        """Of samples held and their bookkeeping."""
        self.misfit_ns = 0
        """How much later the newest chunk is stamped than its sample count gives; 0 for the first of a stream."""
        self._rate = Rate(spec.sample_rate_hz)
        self._num_channels = spec.num_channels
        self._jitter_ns = round(jitter_s * 1e9)
        self._runs: dict[str, list[Run]] = {}
        self._segments: list[Segment] = []
        self._num_segments: Counter[Run | int] = Counter()
        """Number of segments of each run, and of each chunk by offset."""
        self.history = ChunkHistory(contents)

    def __len__(self) -> int:
        """Number of segments held."""
        return len(self._segments)

    def __bool__(self) -> bool:
        return True

    def end_ns(self, chunk: Chunk) -> int:
        """Event time at which a chunk ends by its own stamp."""
        return chunk.start_ns + self._rate.ns(len(chunk.samples))

    def place(self, chunk: Chunk) -> bool:
        """Stores the samples whose slots are free; False if there are none."""
        run, is_new = self._run(chunk)
        first = run.at + chunk.first_sample - run.first_sample
        free = list(self._free(first, first + len(chunk.samples)))
        if free and is_new:  # a producer may name any number of streams without new samples
            insort_right(self._runs.setdefault(run.stream_id, []), run, key=_first_sample)
            self.num_anchors += 1
        content, equals_ns = self.history.note(chunk) if free else (None, None)
        for start, end in free:
            samples = chunk.samples[start - first : end - first]
            if len(samples) < len(chunk.samples):
                samples = samples.copy()  # otherwise one new sample would keep a whole overlapping chunk in memory
            segment = Segment(run, start, samples, chunk.origin.offset, chunk.origin.append_ns, equals_ns, content)
            self._segments.insert(bisect_left(self._segments, start, key=_at), segment)
            self.num_bytes += segment.num_bytes
            self._num_segments[run] += 1
            self._num_segments[segment.offset] += 1
            end_ns = run.anchor_ns + self._rate.ns(end - run.at)
            self.newest_ns = end_ns if self.newest_ns is None else max(self.newest_ns, end_ns)
        return bool(free)

    def coverage(self, window: Window) -> float:
        """Share of the window's slots that hold a sample."""
        length = self.length(window)
        return sum(hi - lo for _, lo, hi, _ in self._parts(window)) / length if length else 0.0

    def length(self, window: Window) -> int:
        """Number of samples in a fully covered window. Its ends are rounded to nanoseconds, so it tolerates one
        nanosecond."""
        return self._rate.slots(window.end_ns - window.start_ns + 1)

    def cut(self, window: Window) -> Cut:
        """The samples inside the window, each at its position."""
        parts = list(self._parts(window))
        if not parts:
            return Cut(None, 0.0, window.start_ns, 0, (0, 0))
        length = self.length(window)
        samples = np.zeros((length, self._num_channels), np.float32)
        for segment, lo, hi, shift in parts:
            samples[lo:hi] = segment.samples[lo - shift : hi - shift]
        segment, lo, _, shift = parts[0]
        first_ns = segment.run.anchor_ns + self._rate.ns(segment.at + (lo - shift) - segment.run.at - lo)
        covered = sum(hi - lo for _, lo, hi, _ in parts)
        segments = [part[0] for part in parts]
        arrival_ns = max(segment.append_ns for segment in segments)
        delays_ns = [segment.delay_ns(self._rate) for segment in segments]
        equals_ns = next((segment.equals_ns for segment in segments if segment.equals_ns is not None), None)
        spans = spans_of(_span_part(*part) for part in parts)
        return Cut(samples, covered / length, first_ns, arrival_ns, (min(delays_ns), max(delays_ns)), equals_ns, spans)

    @property
    def droppable_ns(self) -> int | None:
        """The earliest time before which `drop_before` drops anything; None without samples."""
        return self._rate.begin_ns(self._segments[0].end + 1) if self._segments else None

    def drop_before(self, time_ns: int) -> set[int]:
        """Drops samples that end before a time; returns the offsets of chunks without remaining samples."""
        keep = bisect_left(self._segments, self._rate.slots(time_ns), key=lambda segment: segment.end)
        if keep == 0:
            return set()
        dropped = self._segments[:keep]
        del self._segments[:keep]
        self.num_bytes -= sum(segment.num_bytes for segment in dropped)
        for run in [segment.run for segment in dropped if self._is_last(segment.run)]:
            self._drop_run(run)
        completed = [segment for segment in dropped if self._is_last(segment.offset)]
        self.history.settle(segment.content for segment in completed if segment.content is not None)
        return {segment.offset for segment in completed}

    def _is_last(self, key: Run | int) -> bool:
        """Whether the segment being dropped was the last one of a run or of a chunk."""
        self._num_segments[key] -= 1
        if self._num_segments[key]:
            return False
        del self._num_segments[key]
        return True

    def _drop_run(self, run: Run) -> None:
        runs = self._runs[run.stream_id]
        index = bisect_left(runs, run.first_sample, key=_first_sample)
        while runs[index] is not run:
            index += 1
        del runs[index]
        if not runs:
            del self._runs[run.stream_id]

    def _run(self, chunk: Chunk) -> tuple[Run, bool]:
        """The run that the chunk belongs to, and whether it is new: it is if count and stamp differ by more than the
        jitter."""
        self.misfit_ns = 0
        runs = self._runs.get(chunk.stream_id, [])
        index = bisect_right(runs, chunk.first_sample, key=_first_sample)
        if runs:
            run = runs[max(0, index - 1)]
            counted_ns = run.anchor_ns + self._rate.ns(chunk.first_sample - run.first_sample)
            self.misfit_ns = chunk.start_ns - counted_ns
            if abs(self.misfit_ns) <= self._jitter_ns:
                return run, False
        return Run(chunk.stream_id, chunk.first_sample, chunk.start_ns, self._rate.slots(chunk.start_ns)), True

    def _free(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Ranges of free slots from `start` to `end`."""
        for segment in self._from(self._first_after(start)):
            if segment.at >= end:
                break
            if segment.at > start:
                yield start, segment.at
            start = max(start, segment.end)
        if start < end:
            yield start, end

    def _from(self, index: int) -> Iterator[Segment]:
        """Segments from an index on, without a copy of a list that may be long."""
        return (self._segments[at] for at in range(index, len(self._segments)))

    def _first_after(self, at: int) -> int:
        """Index of the first segment that ends after a slot."""
        return bisect_right(self._segments, at, key=lambda segment: segment.end)

    def _parts(self, window: Window) -> Iterator[tuple[Segment, int, int, int]]:
        """Segments in the window, with the first and end index that they fill in the clip, and the index of their
        start.

        Index k takes the sample with start + k / rate <= time < start + (k + 1) / rate: one of each run at most.
        """
        filled, length = 0, self.length(window)
        for segment in self._from(self._first_after(self._rate.slots(window.start_ns) - 1)):
            shift = segment.at - segment.run.at + self._rate.slots(segment.run.anchor_ns - window.start_ns)
            lo, hi = max(shift, filled), min(shift + len(segment.samples), length)
            if lo >= length:
                break
            if lo < hi:
                yield segment, lo, hi, shift
                filled = hi


def _span_part(segment: Segment, lo: int, hi: int, shift: int) -> Part:
    run = segment.run
    first_sample = run.first_sample + segment.at - run.at + lo - shift
    return Part(run, run.stream_id, lo, first_sample, hi - lo, segment.offset)


def _at(segment: Segment) -> int:
    return segment.at


def _first_sample(run: Run) -> int:
    return run.first_sample
