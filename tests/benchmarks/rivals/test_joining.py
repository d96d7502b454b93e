"""The peers' join: a window is cut at the right sample, and a piece is complete in any order of its records."""

from itertools import permutations

import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from tests.benchmarks.rivals.joining import NS, DictJoin, samples_of, window

T0 = 1_790_000_000 * NS
SAMPLE_NS = 62_500


def chunks(
    num: int, size: int = 1600, first: int = 0
) -> list[tuple[int, int, "np.ndarray[tuple[int], np.dtype[np.float32]]"]]:
    """Each sample is its number."""
    return [
        (n, T0 + n * SAMPLE_NS, np.arange(n, n + size, dtype=np.float32))
        for n in range(first, first + num * size, size)
    ]


@pytest.mark.parametrize("first", [0, 1, 1599, 1600, 2399, 2400])
def test_a_window_begins_with_the_first_sample_at_its_start_or_after_it(first: int) -> None:
    cut = window(chunks(4), T0 + first * SAMPLE_NS, 4000)
    assert cut is not None
    assert cut.tolist() == list(range(first, first + 4000))


def test_a_start_between_two_samples_takes_the_later_one() -> None:
    cut = window(chunks(4), T0 + 5 * SAMPLE_NS + 1, 4)
    assert cut is not None
    assert cut.tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize(("start", "length"), [(2401, 4000), (-1, 10), (6400, 1)])
def test_there_is_no_window_beyond_the_chunks(start: int, length: int) -> None:
    assert window(chunks(4), T0 + start * SAMPLE_NS, length) is None
    assert window([], T0, length) is None


@pytest.mark.parametrize(
    ("sample_format", "data", "expected"),
    [
        (pb.SAMPLE_FORMAT_S16LE, np.array([-32768, 16384], "<i2").tobytes(), [-1.0, 0.5]),
        (pb.SAMPLE_FORMAT_F32LE, np.array([-1.0, 0.5], "<f4").tobytes(), [-1.0, 0.5]),
    ],
)
def test_samples_have_full_scale_1(sample_format: pb.SampleFormat, data: bytes, expected: list[float]) -> None:
    samples = pb.Samples(format=sample_format, sample_rate_hz=16_000, num_channels=1, data=data)
    assert samples_of(samples).tolist() == expected


def records() -> list[tuple[str, bytes]]:
    inspection = pb.Inspection(line="line-1", station="s", piece_id="p")
    event = pb.PieceEvent(inspection=inspection, kind=pb.PIECE_EVENT_KIND_ENTERED, event_ns=T0)
    frame = pb.CameraFrame(inspection=inspection, capture_ns=T0 + 7, pixels=pb.ImagePixels(data=b"png"))
    data = np.zeros(4000, "<i2").tobytes()
    samples = pb.Samples(format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=16_000, num_channels=1, data=data)
    chunk = pb.SignalChunk(line="line-1", station="s", sensor="mic", start_ns=T0, samples=samples)
    return [(f"inspection.v1.{each.DESCRIPTOR.name}", each.SerializeToString()) for each in (event, frame, chunk)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_piece_is_complete_with_its_last_record_whichever_that_is(order: tuple[int, ...]) -> None:
    join, sent = DictJoin(4000), records()
    joined = [join.add(*sent[number]) for number in order]
    assert [len(each) for each in joined] == [0, 0, 1]
    (item,) = joined[-1]
    assert (item.inspection.piece_id, item.capture_ns, item.piece.picture) == ("p", T0 + 7, b"png")
    assert item.piece.sound.shape == (4000,)


def test_sound_of_another_station_completes_no_piece() -> None:
    join, (event, frame, chunk) = DictJoin(4000), records()
    other = pb.SignalChunk.FromString(chunk[1])
    other.station = "t"
    assert [*join.add(*event), *join.add(*frame), *join.add(chunk[0], other.SerializeToString())] == []
