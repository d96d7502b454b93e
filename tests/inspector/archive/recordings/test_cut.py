"""Clips are cut again only from records that fit the verdict, within limits."""

import numpy as np
import pytest

from inspector.archive.recordings.cut import MAX_APART_NS, cut_again
from inspector.archive.recordings.missing import InputError, Why
from inspector.verdicts.inputs import steps_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.decode.items import Chunk, Origin, Trace
from streams.observation import InspectionId

T0 = 1_700_000_000_000_000_000


def chunk(offset: int, first: int, values: list[float], channels: int = 1) -> Chunk:
    samples = np.repeat(np.array(values, np.float32)[:, None], channels, axis=1)
    start_ns = T0 + first * 10_000_000
    return Chunk(Origin("s", 0, offset, T0), "l", "st", "mic", "audio", "a", first, start_ns, 100.0, samples)


def signal(at: int, first: int, num: int, *offsets: int, length: int = 10) -> pb.SignalInput:
    span = pb.SampleSpan(at=at, stream_id="a", first_sample=first, num_samples=num, offset_steps=steps_of(offsets))
    return pb.SignalInput(sensor="mic", first_ns=T0, num_samples=length, spans=[span])


def test_samples_stand_where_the_span_says_and_gaps_are_zero() -> None:
    sound = cut_again(signal(2, 2, 4, 5, 6), {5: chunk(5, 0, [1, 2, 3, 4]), 6: chunk(6, 4, [5, 6, 7])}, 100)
    assert sound.samples[:, 0].tolist() == [0, 0, 3, 4, 5, 6, 0, 0, 0, 0]
    assert (sound.kind, sound.sample_rate_hz) == ("audio", 100.0)


def test_of_two_records_with_one_sample_the_lower_offset_counts() -> None:
    """Also where it comes later in the stream."""
    items = {7: chunk(7, 0, [1, 2, 3, 4]), 5: chunk(5, 2, [9, 9, 9, 9])}
    assert cut_again(signal(0, 0, 6, 7, 5), items, 100).samples[:, 0].tolist() == [1, 2, 9, 9, 9, 9, 0, 0, 0, 0]


def why(clip: pb.SignalInput, items: dict[int, Chunk | Trace], max_samples: int = 100) -> Why:
    with pytest.raises(InputError) as error:
        cut_again(clip, items, max_samples)
    return error.value.why


def test_a_clip_without_spans_is_not_named() -> None:
    assert why(pb.SignalInput(num_samples=5), {}) is Why.NOT_NAMED


def test_the_length_of_a_clip_is_bounded() -> None:
    """A foreign verdict may say any length."""
    assert why(signal(0, 0, 1, 5, length=2**31), {5: chunk(5, 0, [1])}) is Why.TOO_LARGE
    assert why(signal(0, 0, 1, 5, length=51), {5: chunk(5, 0, [1], channels=2)}) is Why.TOO_LARGE


@pytest.mark.parametrize(
    ("clip", "items"),
    [
        (signal(8, 0, 4, 5), {5: chunk(5, 0, [1, 2, 3, 4])}),
        (signal(0, 0, 4, 5), {5: chunk(5, 0, [1, 2, 3])}),
        (signal(0, 0, 4, 5, 6), {5: chunk(5, 0, [1, 2]), 6: chunk(6, 2, [3, 4], channels=2)}),
        (signal(0, 10_000, 4, 5), {5: chunk(5, 10_000, [1, 2, 3, 4])}),
    ],
    ids=["beyond the end", "too few samples", "other channels", "another time"],
)
def test_records_that_do_not_fit_are_of_another_log(clip: pb.SignalInput, items: dict[int, Chunk | Trace]) -> None:
    assert why(clip, items) is Why.OTHER_RECORD


def test_a_trace_starts_when_the_clip_does() -> None:
    samples = np.array([[1], [2]], np.float32)
    trace = Trace(Origin("s", 0, 5, T0), InspectionId("l", "st", "p"), "mic", "trace", T0, 100.0, samples)
    assert cut_again(signal(0, 0, 2, 5, length=2), {5: trace}, 100).samples[:, 0].tolist() == [1, 2]
    later = signal(0, 0, 2, 5, length=2)
    later.first_ns = T0 + 1
    assert why(later, {5: trace}) is Why.OTHER_RECORD


def test_clocks_may_drift_a_little() -> None:
    late = signal(0, 0, 2, 5, length=2)
    late.first_ns = T0 + MAX_APART_NS
    assert cut_again(late, {5: chunk(5, 0, [1, 2])}, 100).samples[:, 0].tolist() == [1, 2]


def test_a_span_that_names_no_record_is_refused() -> None:
    """It used to end the keeping of all pieces behind it."""
    assert why(signal(0, 0, 4), {}) is Why.NOT_NAMED
    both = signal(0, 0, 4, 5)
    both.spans.add(at=4, num_samples=4)
    assert why(both, {5: chunk(5, 0, [1, 2, 3, 4])}) is Why.NOT_NAMED
