"""What records decode into, and what each unusable one is refused for."""

import dataclasses
import resource

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.dead_letters import MAX_RAW_BYTES, dead_letter_output, origin_of, reject
from streams.decode.images import decode_pixels
from streams.decode.items import Chunk, Entry, Event, EventKind, Frame, Item, Origin, Reference, Rejected, Trace
from streams.decode.limits import Limits, RecordError
from streams.decode.records import decode
from streams.encoding import Produced, to_output
from streams.observation import InspectionId
from streams.records import Record, Topics
from tests import malformed as bad

LIMITS = Limits()
TOPICS = Topics("qa", bad.LINE)
PIECE = InspectionId(bad.LINE, bad.STATION, "p1")
ORIGIN = Origin("qa.l1.frames", 3, 41, 99)


def record(type_: str, value: bytes, kind: str, key: bytes = b"st-1") -> Record:
    return Record(TOPICS.of(kind), 3, 41, key, value, type_, append_ns=99)


def decoded(message: Produced) -> Item:
    output = to_output(TOPICS, message)
    return decode(Record(output.topic, 3, 41, output.key, output.value, output.type, 99), LIMITS, bad.LINE)


def refusal(case: bad.Malformed, limits: Limits = LIMITS) -> Rejected:
    item = decode(record(case.type, case.value, case.kind, case.key), limits, bad.LINE)
    assert isinstance(item, Rejected)
    return item


def test_a_large_png_with_no_surplus_is_decoded() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (700, 500), dtype=np.uint8)
    pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_PNG, data=bad.png(noise))
    assert len(pixels.data) > 256 * 1024
    assert np.array_equal(decode_pixels(pixels, LIMITS), noise)


def test_a_record_that_the_client_cannot_decode_is_a_dead_letter_that_says_why() -> None:
    item = decode(Record(TOPICS.of("frames"), 3, 41, b"", b"rest", "", 99, unreadable="no codec"), LIMITS, bad.LINE)
    assert isinstance(item, Rejected)
    assert (item.reason, item.raw, item.entry) == (pb.DEAD_LETTER_REASON_UNREADABLE, b"rest", None)
    letter = pb.DeadLetter.FromString(dead_letter_output(TOPICS, item).value)
    assert (letter.topic, letter.partition, letter.offset) == (TOPICS.of("frames"), 3, 41)
    assert "no codec" in letter.detail


def test_a_record_with_its_producers_stamp_is_refused_and_its_piece_enters() -> None:
    event = pb.PieceEvent(
        inspection=pb.Inspection(line=bad.LINE, station=bad.STATION, piece_id="p1"),
        product="disc",
        kind=pb.PIECE_EVENT_KIND_ENTERED,
        event_ns=99,
    )
    stamped = record(bad.EVENT, event.SerializeToString(), "pieces", key=bad.STATION.encode())
    item = decode(dataclasses.replace(stamped, is_stamped_by_log=False), LIMITS, bad.LINE)
    assert isinstance(item, Rejected)
    assert item.reason == pb.DEAD_LETTER_REASON_CLOCK
    assert "message.timestamp.type" in item.detail
    assert item.entry == Entry(PIECE, "disc", "", 99, None)


@pytest.mark.parametrize("case", bad.malformed(), ids=lambda case: case.name)
def test_a_malformed_record_is_refused_with_its_reason(case: bad.Malformed) -> None:
    item = refusal(case)
    assert pb.DeadLetterReason.Name(item.reason) == pb.DeadLetterReason.Name(case.reason), item.detail
    assert (item.entry is not None) == case.enters
    assert item.raw == case.value[: 64 * 1024]
    assert (item.raw_size_bytes, item.type) == (len(case.value), case.type)
    assert ":" in item.detail
    assert len(item.detail) < 400


def test_the_table_has_what_it_promises() -> None:
    cases = bad.malformed()
    assert len({case.name for case in cases}) == len(cases) >= 40
    assert len({case.name.split(":")[0] for case in cases}) >= 10


def test_refusing_takes_no_memory() -> None:
    cases = bad.malformed()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in cases:
        refusal(case)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_a_record_above_the_limit_is_not_parsed() -> None:
    case = bad.Malformed("large", bad.FRAME, bad.frame(), pb.DEAD_LETTER_REASON_TOO_LARGE)
    item = refusal(case, dataclasses.replace(LIMITS, max_record_bytes=len(case.value) - 1))
    assert (item.reason, item.entry, item.station) == (case.reason, None, bad.STATION)


def test_samples_above_the_limit_are_refused() -> None:
    case = bad.Malformed("long", bad.CHUNK, bad.chunk(bad.samples(bytes(20))), pb.DEAD_LETTER_REASON_TOO_LARGE)
    assert refusal(case, dataclasses.replace(LIMITS, max_samples=9)).reason == case.reason


@pytest.mark.parametrize(("kind", "type_"), [("signals", bad.FRAME), ("frames", bad.CHUNK), ("frames", bad.EVENT)])
def test_a_record_on_another_kind_of_topic_is_misaddressed(kind: str, type_: str) -> None:
    item = decode(record(type_, bad.frame(), kind), LIMITS, bad.LINE)
    assert isinstance(item, Rejected)
    assert item.reason == pb.DEAD_LETTER_REASON_MISADDRESSED


def test_a_bad_frame_still_says_what_enters() -> None:
    value = bad.frame(b"junk", lot="L7")
    item = refusal(bad.Malformed("", bad.FRAME, value, 0))
    assert item.entry == Entry(PIECE, "a", "L7", bad.NS, "top")
    assert item.inspection == PIECE


def test_a_bad_frame_without_a_time_enters_when_the_log_took_it() -> None:
    entry = refusal(bad.Malformed("", bad.FRAME, bad.frame(capture_ns=-5, camera="a b"), 0)).entry
    assert entry == Entry(PIECE, "a", "", event_ns=99, camera=None)


def test_a_bad_trace_keeps_its_inspection_and_opens_none() -> None:
    item = refusal(bad.Malformed("", bad.TRACE, bad.trace(bad.samples(b"")), 0))
    assert (item.inspection, item.entry) == (PIECE, None)


GREY = bad.picture()[..., 0]
IMAGES = [
    ("png grey", pb.PIXEL_FORMAT_PNG, bad.png(GREY), GREY),
    ("png colour", pb.PIXEL_FORMAT_PNG, bad.png(bad.picture()), bad.picture()),
    ("png 16 bits", pb.PIXEL_FORMAT_PNG, bad.png(GREY.astype(np.uint16) * 257), GREY.astype(np.uint16) * 257),
    ("mono8", pb.PIXEL_FORMAT_MONO8, GREY.tobytes(), GREY),
    ("mono16", pb.PIXEL_FORMAT_MONO16, (GREY.astype("<u2") * 3).tobytes(), GREY.astype(np.uint16) * 3),
    ("bgr8", pb.PIXEL_FORMAT_BGR8, bad.picture().tobytes(), bad.picture()),
]


@pytest.mark.parametrize(("form", "data", "expected"), [case[1:] for case in IMAGES], ids=[case[0] for case in IMAGES])
def test_images_come_out_as_they_went_in(form: int, data: bytes, expected: np.ndarray) -> None:
    message = pb.CameraFrame.FromString(bad.frame(data, form, (64, 48), sequence=2, lot="L7"))
    item = decoded(message)
    assert isinstance(item, Frame)
    assert item.image is not None
    assert item.image.dtype == expected.dtype
    assert np.array_equal(item.image, expected)
    assert (item.origin, item.inspection, item.product, item.lot) == (ORIGIN, PIECE, "a", "L7")
    assert (item.camera, item.sequence, item.capture_ns, item.reference) == ("top", 2, bad.NS, None)


@pytest.mark.parametrize("flags", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
@pytest.mark.parametrize(
    "image", [bad.picture(), GREY, np.full((40, 40), 128, np.uint8)], ids=["colour", "grey", "flat"]
)
@pytest.mark.parametrize("padding", [b"", b"\0\0\0"])
def test_whole_jpegs_decode(flags: tuple[int, ...], image: np.ndarray, padding: bytes) -> None:
    pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_JPEG, data=bad.jpeg(image, *flags) + padding)
    got = decode_pixels(pixels, LIMITS)
    assert got.shape == image.shape
    assert np.abs(got.astype(int) - image).mean() < 12


@pytest.mark.parametrize("flags", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 0.97])
def test_a_jpeg_cut_short_is_seen_although_its_end_was_put_back(flags: tuple[int, ...], share: float) -> None:
    data = bad.jpeg(bad.picture(240, 320), *flags)
    cut = data[: int(len(data) * share)].rstrip(b"\xff") + b"\xff\xd9"
    with pytest.raises(RecordError, match="JPEG"):
        decode_pixels(pb.ImagePixels(format=pb.PIXEL_FORMAT_JPEG, data=cut), LIMITS)


def test_integers_are_scaled_to_one_and_channels_interleave() -> None:
    data = np.array([-32768, 0, 16384, 32767], "<i2").tobytes()
    item = decoded(pb.SignalChunk.FromString(bad.chunk(bad.samples(data, 8000.0, 2), first_sample=12)))
    assert isinstance(item, Chunk)
    assert item.samples.dtype == np.float32
    assert item.samples.tolist() == [[-1.0, 0.0], [0.5, 32767 / 32768]]
    assert (item.origin.topic, item.line, item.station, item.sensor) == ("qa.l1.signals", "l1", "st-1", "mic")
    assert (item.kind, item.stream_id, item.first_sample) == ("audio", "s", 12)
    assert (item.start_ns, item.sample_rate_hz) == (bad.NS, 8000.0)


def test_floats_come_out_as_they_went_in() -> None:
    data = np.array([1.5, -3e8, 0.0], "<f4")
    item = decoded(pb.ProcessTrace.FromString(bad.trace(bad.samples(data.tobytes(), 1.0, 1, pb.SAMPLE_FORMAT_F32LE))))
    assert isinstance(item, Trace)
    assert item.samples.tolist() == data.reshape(-1, 1).tolist()
    assert (item.inspection, item.sensor, item.kind, item.start_ns) == (PIECE, "rf", "trace", bad.NS)


def test_a_reference_is_handed_on() -> None:
    item = decoded(pb.CameraFrame.FromString(bad.referring(size_bytes=77)))
    assert isinstance(item, Frame)
    assert item.image is None
    assert item.reference == Reference("s3://images/1.png", bytes(32), 77, pb.PIXEL_FORMAT_PNG)


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (pb.PIECE_EVENT_KIND_ENTERED, EventKind.ENTERED),
        (pb.PIECE_EVENT_KIND_LEFT, EventKind.LEFT),
        (pb.PIECE_EVENT_KIND_ABORTED, EventKind.ABORTED),
    ],
)
def test_events_decode(wire: pb.PieceEventKind, kind: EventKind) -> None:
    item = decoded(pb.PieceEvent.FromString(bad.event(kind=wire, lot="L7")))
    assert item == Event(Origin("qa.l1.pieces", 3, 41, 99), PIECE, "a", "L7", kind, bad.NS)


VALID = [
    (bad.FRAME, bad.frame()),
    (bad.FRAME, bad.frame(bad.jpeg(bad.picture()), pb.PIXEL_FORMAT_JPEG)),
    (bad.FRAME, bad.frame(bad.jpeg(GREY, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), pb.PIXEL_FORMAT_JPEG)),
    (bad.FRAME, bad.referring()),
    (bad.CHUNK, bad.chunk()),
    (bad.TRACE, bad.trace()),
    (bad.EVENT, bad.event()),
]


@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=4),
    st.integers(0, 2**16),
)
@settings(max_examples=300, deadline=None)
def test_no_damage_to_a_record_raises(valid: tuple[str, bytes], flips: list[tuple[int, int]], length: int) -> None:
    type_, value = valid[0], bytearray(valid[1][: length % (2 * len(valid[1])) + 1])
    for index, byte in flips:
        value[index % len(value)] = byte
    kind = bad.Malformed("", type_, b"", 0).kind
    item = decode(record(type_, bytes(value), kind), LIMITS, bad.LINE)
    assert item.origin == Origin(TOPICS.of(kind), 3, 41, 99)


def test_a_dead_letter_says_where_why_and_what() -> None:
    item = refusal(bad.Malformed("", bad.FRAME, bad.frame(b"x" * 100_000), 0))
    output = dead_letter_output(TOPICS, item)
    letter = pb.DeadLetter.FromString(output.value)
    assert (output.topic, output.partition, output.key) == ("qa.l1.dead-letters", 3, b"st-1")
    assert output.type == "inspection.v1.DeadLetter"
    assert (letter.reason, letter.detail) == (pb.DEAD_LETTER_REASON_BAD_IMAGE, item.detail)
    assert (letter.topic, letter.partition, letter.offset, letter.append_ns) == ("qa.l1.frames", 3, 41, 99)
    assert (letter.line, letter.station, letter.inspection) == ("l1", "st-1", bad.inspection())
    assert (len(letter.raw), letter.raw_size_bytes, letter.type) == (64 * 1024, item.raw_size_bytes, bad.FRAME)


def test_a_dead_letter_is_bounded_whatever_was_sent_and_said() -> None:
    """The detail quotes the answer of a store: a dead letter above max_record_bytes would end every worker."""
    sent = dataclasses.replace(record(bad.FRAME, b"x", "frames"), type="\N{REPLACEMENT CHARACTER}" * 2**20)
    letter = reject(origin_of(sent), pb.DEAD_LETTER_REASON_REFERENCE, "\xff" * 2**20, station="", record=sent)
    assert len(dead_letter_output(TOPICS, letter).value) < 16 * 1024


def test_the_largest_dead_letter_fits_the_smallest_record_that_may_be_configured() -> None:
    """The configuration allows no max_record_bytes below twice the bytes of a record that go along."""
    named = InspectionId("l" * 48, "s" * 48, "p" * 128, 2**32 - 1)
    sent = dataclasses.replace(record(bad.FRAME, bytes(2**20), "frames"), type="\U0001f600" * 2**10)
    detail = "\U0001f600" * 2**10
    letter = reject(
        origin_of(sent), pb.DEAD_LETTER_REASON_REFERENCE, detail * 4, station="s" * 48, record=sent, inspection=named
    )
    assert len(dead_letter_output(Topics("q" * 48, "l" * 48), letter).value) <= 2 * MAX_RAW_BYTES


def test_samples_that_find_no_memory_end_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(samples: pb.Samples, limits: Limits) -> None:
        raise MemoryError

    monkeypatch.setattr("streams.decode.records.decode_samples", without_memory)
    item = decode(record(bad.CHUNK, bad.chunk(), "signals"), Limits(), "l1")
    assert isinstance(item, Rejected)
    assert item.reason == pb.DEAD_LETTER_REASON_TOO_LARGE
    assert "of memory, which is not available" in item.detail


@pytest.mark.parametrize(
    ("reason", "num_bytes"),
    [
        (pb.DEAD_LETTER_REASON_LATE, 0),
        (pb.DEAD_LETTER_REASON_DUPLICATE, 0),
        (pb.DEAD_LETTER_REASON_ID_READ_TWICE, 0),
        (pb.DEAD_LETTER_REASON_CLOCK, 3),
    ],
)
def test_late_and_doubled_records_go_without_their_bytes(reason: int, num_bytes: int) -> None:
    item = reject(ORIGIN, reason, "why", station="st-1", record=record(bad.FRAME, b"abc", "frames"))
    assert (len(item.raw), item.raw_size_bytes) == (num_bytes, 3)
