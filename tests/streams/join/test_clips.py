"""Samples by count: placing, gaps, restarts, re-anchoring, and clips that hold nothing from outside their window."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.decode.items import Chunk, Origin
from streams.join.assembly import SensorSpec
from streams.join.clips import SEGMENT_BYTES, SensorStream, Window

MS = 1_000_000
T0 = 1_700_000_000_000 * MS


def stream(rate_hz: float = 1000.0, jitter_s: float = 0.02) -> SensorStream:
    return SensorStream(SensorSpec("mic", "audio", rate_hz), jitter_s)


def chunk(first: int, num: int, *, at_ms: float | None = None, stream_id: str = "s", rate_hz: float = 1000.0) -> Chunk:
    """Samples whose values are their indices; sample 0 is at T0 unless `at_ms` says when the chunk starts."""
    start_ns = T0 + (round(first * 1e9 / rate_hz) if at_ms is None else round(at_ms * MS))
    samples = np.arange(first, first + num, dtype=np.float32)[:, None]
    return Chunk(
        Origin("signals", 0, first, start_ns), "l", "a", "mic", "audio", stream_id, first, start_ns, rate_hz, samples
    )


def window(start_ms: float, end_ms: float) -> Window:
    return Window(T0 + round(start_ms * MS), T0 + round(end_ms * MS))


def values(source: SensorStream, start_ms: float, end_ms: float) -> list[float]:
    samples = source.cut(window(start_ms, end_ms)).samples
    return [] if samples is None else samples[:, 0].tolist()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_chunks_make_one_clip_in_any_order(order: tuple[int, ...]) -> None:
    source = stream()
    for index in order:
        assert source.place(chunk(10 * index, 10))
    assert values(source, 5, 25) == list(range(5, 25))
    assert source.coverage(window(5, 25)) == 1.0


@pytest.mark.parametrize(("first", "num", "is_new"), [(0, 10, False), (3, 4, False), (5, 10, True), (10, 10, True)])
def test_samples_taken_before_are_not_taken_again(first: int, num: int, is_new: bool) -> None:
    source = stream()
    source.place(chunk(0, 10))
    assert source.place(chunk(first, num)) is is_new


def test_a_chunk_around_another_fills_both_sides_and_is_needed_until_both_are_gone() -> None:
    source = stream()
    source.place(chunk(10, 5))
    assert source.place(chunk(0, 30))
    assert values(source, 0, 30) == list(range(30))
    assert source.drop_before(T0 + 20 * MS) == {10}
    assert source.drop_before(T0 + 40 * MS) == {0}


def test_a_gap_stays_a_gap() -> None:
    source = stream()
    source.place(chunk(0, 10))
    source.place(chunk(20, 10))
    cut = source.cut(window(0, 30))
    assert cut.coverage == pytest.approx(20 / 30)
    assert cut.samples is not None
    assert not cut.samples[10:20].any()
    assert cut.samples[20:, 0].tolist() == list(range(20, 30))


@pytest.mark.parametrize(("stamp_ms", "anchors"), [(10, 1), (30, 1), (31, 2), (-10, 1), (-11, 2)])
def test_a_stamp_beyond_the_jitter_anchors_again(stamp_ms: int, anchors: int) -> None:
    source = stream()
    source.place(chunk(0, 10))
    source.place(chunk(10, 10, at_ms=stamp_ms))
    assert source.num_anchors == anchors


def test_what_follows_a_new_anchor_counts_from_it_and_what_came_before_does_not() -> None:
    source = stream()
    source.place(chunk(0, 10))
    source.place(chunk(20, 10, at_ms=100))
    source.place(chunk(30, 10, at_ms=110))
    source.place(chunk(10, 10))
    assert source.num_anchors == 2
    assert values(source, 0, 20) == list(range(20))
    assert values(source, 100, 120) == list(range(20, 40))


def test_a_restarted_stream_goes_on_in_the_same_clip() -> None:
    source = stream()
    source.place(chunk(0, 10))
    source.place(chunk(0, 10, at_ms=10, stream_id="t"))
    assert values(source, 0, 20) == [*range(10), *range(10)]
    assert source.coverage(window(0, 20)) == 1.0


def test_a_flood_of_the_same_instant_takes_no_more_memory() -> None:
    source = stream()
    for number in range(100):
        source.place(chunk(1000 * number, 10, at_ms=0, stream_id=str(number)))
    assert source.num_bytes == 40 + SEGMENT_BYTES


def test_streams_that_bring_no_sample_are_not_remembered() -> None:
    source = stream()
    source.place(chunk(0, 10))
    for number in range(100):
        assert not source.place(chunk(1000 * number, 10, at_ms=0, stream_id=f"t{number}"))
    assert (source.num_anchors, list(source._runs)) == (1, ["s"])


def test_one_new_sample_does_not_keep_a_chunk_that_overlaps() -> None:
    source = stream()
    for number in range(5):
        source.place(chunk(number, 1000))
    assert sum(segment.samples.nbytes for segment in source._segments) == 4 * 1004
    assert all(segment.samples.base is None for segment in source._segments[1:])
    assert source.num_bytes == 4 * 1004 + 5 * SEGMENT_BYTES


def test_what_is_dropped_counts_no_more() -> None:
    source = stream()
    for number in range(5):
        source.place(chunk(10 * number, 10, stream_id=f"s{number}"))
    assert source.drop_before(T0 + 31 * MS) == {0, 10, 20}
    assert (source.num_bytes, sorted(source._runs)) == (2 * (40 + SEGMENT_BYTES), ["s3", "s4"])
    assert source.drop_before(T0 + 10_000 * MS) == {30, 40}
    assert (source.num_bytes, source._runs, source._num_segments) == (0, {}, {})


def test_the_end_of_the_data_is_remembered_when_they_are_dropped() -> None:
    source = stream()
    source.place(chunk(0, 10))
    source.drop_before(T0 + 1000 * MS)
    assert source.newest_ns == T0 + 10 * MS
    assert source.num_bytes == 0


def test_an_empty_window_has_no_clip() -> None:
    assert stream().cut(window(0, 10)).samples is None


@settings(deadline=None)
@given(
    rate_hz=st.sampled_from([1.0, 100.0, 1000.0, 44_100.0, 48_000.0, 51_200.0, 1e6, 333.3]),
    phase_ns=st.integers(0, 10**9),
    start_ns=st.integers(-(10**9), 10**9),
    num=st.integers(1, 2000),
    split=st.integers(1, 500),
)
def test_a_covered_window_has_all_its_samples_and_none_from_outside(
    rate_hz: float, phase_ns: int, start_ns: int, num: int, split: int
) -> None:
    source, spacing_ns = stream(rate_hz, jitter_s=0.0001), Fraction(10**9) / Fraction(rate_hz)
    cut_window = Window(T0 + start_ns, T0 + start_ns + round(num * spacing_ns))
    before = int((cut_window.start_ns - T0 - phase_ns) / spacing_ns) - 2
    base = 10**10
    for first in range(base + before, base + before + num + split + 4, split):
        begin_ns = T0 + phase_ns + round((first - base) * spacing_ns)
        samples = np.arange(first - base, first - base + split, dtype=np.float32)[:, None]
        origin = Origin("signals", 0, 0, begin_ns)
        source.place(Chunk(origin, "l", "a", "mic", "audio", "s", first, begin_ns, rate_hz, samples))
    cut = source.cut(cut_window)
    assert cut.coverage == 1.0
    assert cut.samples is not None
    assert len(cut.samples) == num
    assert (np.diff(cut.samples[:, 0]) == 1).all()
    times_ns = [T0 + phase_ns + int(index) * spacing_ns for index in (cut.samples[0, 0], cut.samples[-1, 0])]
    assert cut_window.start_ns - 1 <= times_ns[0]
    assert times_ns[1] <= cut_window.end_ns + 1
    assert abs(cut.first_ns - times_ns[0]) <= 2
