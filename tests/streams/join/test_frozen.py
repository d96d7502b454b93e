"""A repeated recording makes its source implausible, unless it may repeat or is not distinctive."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from streams.decode.items import Chunk, EventKind, Frame, Trace
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.join.chunk_history import KEPT_RECORDS
from streams.join.content import MIN_CHANGES, digest, is_distinctive
from streams.join.frozen import CONTENT_BYTES, KEPT_RECORDINGS, OF_CHUNKS
from streams.join.offset_metadata import MAX_MEMO_BYTES, OffsetMetadata
from streams.observation import Image, InspectionId, MissingReason, Observation, State
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    MIC,
    PIECES,
    PRESS,
    SETTINGS,
    SIGNALS,
    Book,
    Log,
    Make,
    Worker,
    event,
    run,
)
from tests.streams.join.join_rig import Rig, at_s, only

NOISE = np.random.default_rng(1)
ANY_CLOCK = replace(SETTINGS, max_skew_s=60.0, max_source_offset_s=60.0)
"""Records come here when it suits the test."""


def image(seed: int, shape: tuple[int, ...] = (16, 16)) -> Image:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def shot(piece: str, seconds: float, picture: Image, camera: str = "top", sequence: int = 0) -> Make:
    inspection = InspectionId("line", "a", piece)
    return lambda origin: Frame(origin, inspection, "good", "", camera, sequence, at_s(seconds), picture, None)


def sound(first: int, values: np.ndarray, start_s: float, sensor: SensorSpec = MIC) -> Make:
    samples = values.astype(np.float32).reshape(-1, 1)
    return lambda origin: Chunk(
        origin, "line", "a", sensor.name, sensor.kind, "s", first, at_s(start_s), sensor.sample_rate_hz, samples
    )


def log_of(piece: str, seconds: float, values: np.ndarray) -> Make:
    inspection = InspectionId("line", "a", piece)
    samples = values.astype(np.float32).reshape(-1, 1)
    return lambda origin: Trace(origin, inspection, PRESS.name, PRESS.kind, at_s(seconds), 10.0, samples)


class OneCamera(Book):
    """A camera alone, with so many frames."""

    def __init__(self, *sensors: SensorSpec, num_frames: int = 1, may_repeat: bool = False) -> None:
        self.spec = AssemblySpec((CameraSpec("top", num_frames, may_repeat),), sensors, capture_span_s=0.3)

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return self.spec

    def sensors(self, line: str, station: str) -> dict[str, SensorSpec]:
        return {sensor.name: sensor for sensor in self.spec.sensors}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset(("top",))

    def traces_open(self, line: str, station: str) -> bool:
        return False


def judged(rig: Rig) -> list[Observation]:
    seen = rig.pass_s(3.0)
    rig.join.settle(each.inspection for each in seen)
    return seen


def states(*pictures: Image, may_repeat: bool = False) -> list[State]:
    """The states of one camera with one picture per piece."""
    rig = Rig(book=OneCamera(may_repeat=may_repeat))
    states_by_piece = []
    for number, picture in enumerate(pictures):
        rig.put(FRAMES, number, shot(f"p{number}", number, picture))
        states_by_piece += [each.views["top"].state for each in judged(rig)]
    return states_by_piece


OK, BAD = State.PRESENT, State.IMPLAUSIBLE


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ((1, 2, 3), [OK, OK, OK]),
        ((1, 1, 1), [OK, BAD, BAD]),
        ((1, 1, 2, 2), [OK, BAD, OK, BAD]),
        ((1, 2, 1, 2), [OK, OK, BAD, BAD]),
        ((*range(5), *range(5)), [OK] * 5 + [BAD] * 5),
        ((*range(KEPT_RECORDINGS), 0), [OK] * KEPT_RECORDINGS + [BAD]),
        ((*range(KEPT_RECORDINGS + 1), 0), [OK] * (KEPT_RECORDINGS + 2)),
    ],
    ids=["new", "frozen", "two-by-two", "two-buffers", "five-buffers", "all-buffers", "long-ago"],
)
def test_an_image_that_equals_an_earlier_one_is_implausible(seeds: tuple[int, ...], expected: list[State]) -> None:
    assert states(*map(image, seeds)) == expected


def test_the_detail_names_the_piece_and_how_often() -> None:
    rig = Rig(book=OneCamera())
    for number in range(3):
        rig.put(FRAMES, number, shot(f"p{number}", number, image(1)))
        view = only(judged(rig)).views["top"]
    assert (view.absence, view.images) == (MissingReason.FROZEN, view.images)
    assert view.detail == (
        "the image equals that of piece 'p1', 3 pieces in a row: is the source frozen, or does a buffer repeat?"
    )


def test_one_pixel_is_a_difference() -> None:
    other = image(1).copy()
    other[9, 9] ^= 1
    assert states(image(1), other) == [OK, OK]


def test_another_depth_or_shape_is_a_difference() -> None:
    assert states(image(1), image(1).astype(np.uint16), image(1).reshape(8, 32)) == [OK, OK, OK]


@pytest.mark.parametrize("picture", [np.zeros((16, 16), np.uint8), np.full((16, 16, 3), (1, 2, 3), np.uint8)])
def test_what_is_constant_is_left_to_other_checks(picture: Image) -> None:
    assert states(picture, picture) == [OK, OK]


def test_a_source_that_may_repeat_is_believed() -> None:
    assert states(image(1), image(1), may_repeat=True) == [OK, OK]


def test_two_images_alike_within_a_piece_are_frozen() -> None:
    rig = Rig(book=OneCamera(num_frames=2))
    for sequence in range(2):
        rig.put(FRAMES, 0, shot("p", 0, image(1), sequence=sequence))
    view = only(judged(rig)).views["top"]
    assert (view.state, view.absence) == (BAD, MissingReason.FROZEN)
    assert "another one of this piece" in view.detail


def test_a_piece_without_a_frame_leaves_the_predecessor_in_place() -> None:
    rig = Rig(book=OneCamera())
    rig.put(FRAMES, 0, shot("p0", 0, image(1)))
    judged(rig)
    rig.put(PIECES, 3, event(InspectionId("line", "a", "p1"), EventKind.ENTERED, at_s(3)))
    assert only(judged(rig)).views["top"].state is State.MISSING
    rig.put(FRAMES, 6, shot("p2", 6, image(1)))
    assert only(judged(rig)).views["top"].state is BAD


def piece_with_sound(rig: Rig, number: int, values: np.ndarray, shift: int = 0) -> Observation:
    """Its window begins with its entry; the chunk that holds it begins `shift` samples before."""
    begin_s = 10.0 * number
    rig.put(FRAMES, begin_s, shot(f"p{number}", begin_s, image(number)))
    rig.put(SIGNALS, begin_s + 1, sound(1000 * number, values, begin_s - shift / 100))
    return only(judged(rig))


def test_a_clip_equal_to_an_earlier_one_is_implausible() -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(replace(MIC, start_s=0.0)))
    first, second = NOISE.normal(size=100), NOISE.normal(size=100)
    assert [piece_with_sound(rig, n, v).clips["mic"].state for n, v in enumerate((first, second, first))] == [
        OK,
        OK,
        BAD,
    ]


def test_a_buffer_sent_again_is_implausible_wherever_the_window_lies_in_it() -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(replace(MIC, start_s=0.0)))
    values = NOISE.normal(size=100)
    assert piece_with_sound(rig, 0, values).clips["mic"].state is OK
    clip = piece_with_sound(rig, 1, values, shift=30).clips["mic"]
    assert (clip.state, clip.absence) == (BAD, MissingReason.FROZEN)
    assert "samples equal those" in clip.detail


def test_a_chunk_that_was_only_doubled_is_no_frozen_sensor() -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(replace(MIC, start_s=0.0)))
    values = NOISE.normal(size=100)
    rig.put(SIGNALS, 0, sound(0, values, 0.0))
    rig.put(SIGNALS, 0, sound(0, values, 0.0))
    rig.put(FRAMES, 0, shot("p", 0, image(1)))
    assert only(judged(rig)).clips["mic"].state is OK
    assert rig.reasons() == ["DUPLICATE"]


def test_silence_is_left_to_other_checks() -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(replace(MIC, start_s=0.0)))
    assert [piece_with_sound(rig, n, np.zeros(100)).clips["mic"].state for n in range(3)] == [OK, OK, OK]


def test_pieces_side_by_side_hear_the_same() -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(replace(MIC, start_s=0.0)))
    rig.put(SIGNALS, 0, sound(0, NOISE.normal(size=100), 0.0))
    for name in ("left", "right"):
        rig.put(FRAMES, 0, shot(name, 0, image(len(name))))
    assert [each.clips["mic"].state for each in judged(rig)] == [OK, OK]


@pytest.mark.parametrize(
    ("values", "start_s", "expected"),
    [
        (NOISE.normal(size=100), 5.0, BAD),
        (NOISE.normal(size=100), 0.0, OK),
        (np.arange(MIN_CHANGES), 5.0, OK),
    ],
    ids=["measured", "one-run-of-a-batch", "few-steps"],
)
def test_a_trace_that_comes_again_is_implausible(values: np.ndarray, start_s: float, expected: State) -> None:
    rig = Rig(settings=ANY_CLOCK, book=OneCamera(PRESS))
    clip_states = []
    for number, begin_s in enumerate((0.0, start_s)):
        rig.put(FRAMES, begin_s, shot(f"p{number}", begin_s, image(number)))
        rig.put(SIGNALS, begin_s, log_of(f"p{number}", begin_s - 11, values))
        clip_states += [each.clips["press"].state for each in judged(rig)]
    assert clip_states == [OK, expected]


def test_a_successor_knows_what_its_predecessor_judged_an_hour_ago() -> None:
    frames = [(FRAMES, at_s(at), shot(f"p{at}", at, image(1))) for at in (0, 3600)]
    log = Log.of(frames)
    first = Worker(log, book=OneCamera())
    for begin_s in (0, 5, 10, 1800):
        for tenth in range(1, 31):
            first.step(at_s(begin_s + tenth / 10), {FRAMES: 10})
            first.commit()
    second = Worker(log, book=OneCamera())
    for tenth in range(50):
        second.step(at_s(3600 + tenth / 10), {FRAMES: 10})
        second.commit()
    assert [each.views["top"].state for each in log.verdicts] == [OK, BAD]
    assert "that of an earlier piece" in log.verdicts[1].views["top"].detail


@pytest.mark.parametrize("seed", range(20))
def test_wherever_owners_die_verdicts_are_those_of_an_undisturbed_run(seed: int) -> None:
    seeds = (1, 1, 2, 2, 3, 1, 4, 4)
    frames = [(FRAMES, at_s(2 * n), shot(f"p{n}", 2 * n, image(each))) for n, each in enumerate(seeds)]
    whole, broken = (
        run(Log.of(frames), Random(seed), crash=crash, book=OneCamera(num_frames=1)) for crash in (0.0, 0.4)
    )
    states = [{each.inspection.piece_id: each.views["top"].state for each in log.verdicts} for log in (whole, broken)]
    assert states[0] == states[1]
    assert [states[0][f"p{n}"] for n in range(len(seeds))] == [OK, BAD, OK, BAD, OK, BAD, OK, BAD]


def test_what_was_seen_and_not_judged_is_not_handed_on() -> None:
    log = Log.of([(FRAMES, at_s(0), shot("p", 0, image(1)))])
    for is_last in (False, True):
        worker = Worker(log, book=OneCamera())
        for tenth in range(50):
            worker.step(at_s(tenth / 10), {FRAMES: 10})
            worker.commit(None if is_last else 0)
    assert [each.views["top"].state for each in log.verdicts] == [OK]


def test_the_memo_keeps_the_newest_that_fit() -> None:
    contents = {
        f"station-{number}": {
            f"camera-{camera}": [bytes([number, camera, k]) * 4 for k in range(4)] for camera in range(6)
        }
        for number in range(40)
    }
    text = OffsetMetadata(2**62, contents=contents).encode()
    assert len(text) <= MAX_MEMO_BYTES
    kept = OffsetMetadata.decode(text, 0).contents
    assert 0 < len(kept) < 40
    assert list(kept) == list(contents)[: len(kept)]
    assert all(
        sources[name] == contents[place][name][-len(sources[name]) :]
        for place, sources in kept.items()
        for name in sources
    )
    few = {"a": {"top": [Random(1).randbytes(CONTENT_BYTES) for _ in range(4)]}}
    assert OffsetMetadata.decode(OffsetMetadata(0, contents=few).encode(), 0).contents == few


def test_digests_tell_recordings_apart() -> None:
    many = [image(seed) for seed in range(200)] + [np.full((4, 4), n, np.uint8) for n in range(200)]
    assert len({digest(each) for each in many}) == 400
    assert not is_distinctive(np.tile(np.array([0.1, 0.9], np.float32), (500, 1)))


def ring_buffer(num_parts: int) -> list[tuple[TopicPartition, int, Make]]:
    """A microphone whose buffer goes round, each part half a second, and a new image every 0.7 s."""
    parts = [np.random.default_rng(part).normal(0, 0.1, 50) for part in range(num_parts)]
    chunks = [(SIGNALS, at_s(k / 2 + 0.5), sound(50 * k, parts[k % num_parts], k / 2)) for k in range(24)]
    times = [0.3 + 0.7 * n for n in range(16)]
    return chunks + [(FRAMES, at_s(at + 0.05), shot(f"p{n}", at, image(n))) for n, at in enumerate(times)]


@pytest.mark.parametrize("num_parts", [1, 3, 7])
def test_wherever_owners_die_a_ring_buffer_is_known(num_parts: int) -> None:
    records, book = ring_buffer(num_parts), OneCamera(MIC)

    def clips(seed: int, crash: float) -> dict[str, tuple[State, str]]:
        log = run(Log.of(records), Random(seed), crash=crash, book=book)
        return {seen.inspection.piece_id: (seen.clips["mic"].state, seen.clips["mic"].detail) for seen in log.verdicts}

    undisturbed = clips(0, 0.0)
    assert sum(state is BAD for state, _ in undisturbed.values()) >= 16 - num_parts
    assert all(clips(seed, 0.4) == undisturbed for seed in range(20))


def test_a_sensor_silent_since_a_take_over_is_handed_on_all_the_same() -> None:
    noise = NOISE.normal(size=100)
    records = [
        (at, at_s(second), make)
        for second, number in ((1, 0), (3601, 1))
        for at, make in (
            (SIGNALS, sound(1000 * number, noise, second - 1)),
            (FRAMES, shot(f"p{number}", second - 0.5 + number / 10, image(number))),
        )
    ]
    log, book = Log.of(records), OneCamera(MIC)
    for begin_s in (0, 20, 40, 3600):
        worker = Worker(log, book=book)
        for tenth in range(100):
            worker.step(at_s(begin_s + tenth / 10), {FRAMES: 10, SIGNALS: 10})
            worker.commit()
    assert [seen.clips["mic"].state for seen in log.verdicts] == [OK, BAD]


def test_the_memo_keeps_recordings_of_pieces_before_chunks() -> None:
    sources = {f"camera-{n}": [bytes([n, k]) * 6 for k in range(16)] for n in range(8)}
    sources |= {f"mic-{n}{OF_CHUNKS}": [bytes([99, n, k]) * 4 for k in range(KEPT_RECORDS)] for n in range(4)}
    text = OffsetMetadata(2**62, contents={"a": sources}).encode()
    assert len(text) <= MAX_MEMO_BYTES
    kept = OffsetMetadata.decode(text, 0).contents["a"]
    assert {name: len(each) for name, each in kept.items()} == dict.fromkeys(sources, 16)
    assert all(sources[name][-len(each) :] == each for name, each in kept.items())
