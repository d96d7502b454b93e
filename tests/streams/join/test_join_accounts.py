"""The accounts of the join: bounds, positions, memory of verdicts, take-over, pausing."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from streams.decode.items import EventKind, Origin
from streams.join.assembly import AssemblySpec, SensorSpec
from streams.join.clips import SEGMENT_BYTES
from streams.join.join import Join, Judged
from streams.join.join_metrics import NoMetrics
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Position
from streams.observation import CloseReason, InspectionId
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    LETTERS,
    MIC,
    PIECES,
    SECOND,
    SETTINGS,
    SIGNALS,
    TOPICS,
    VERDICTS,
    Book,
    Log,
    bad_frame,
    chunk,
    event,
    frame,
    reference,
    trace,
)
from tests.streams.join.join_rig import ALL, P, Rig, at_s, only


def test_the_oldest_pieces_close_when_there_is_no_room() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=2))
    for number in (2, 1, 3):
        rig.put(FRAMES, 0.0, frame(P._replace(piece_id=str(number)), "top", 0, at_s(number / 10)))
    assert [(each.inspection.piece_id, each.closing) for each in rig.advance()] == [("1", CloseReason.STATE_LIMIT)]


def test_images_in_open_pieces_are_bounded_in_bytes() -> None:
    rig = Rig(replace(SETTINGS, max_open_bytes=20))
    for number in range(4):
        rig.put(FRAMES, 0.0, frame(P._replace(piece_id=str(number)), "top", 0, at_s(number / 10)))
        assert rig.join.open_bytes <= 20
    assert [each.inspection.piece_id for each in rig.advance()] == ["0", "1"]


def test_pieces_closed_for_lack_of_room_count_until_they_are_handed_over() -> None:
    rig = Rig(replace(SETTINGS, max_open_bytes=20))
    for number in range(4):
        rig.put(FRAMES, 0.0, frame(P._replace(piece_id=str(number)), "top", 0, at_s(number / 10)))
    assert (rig.join.open_bytes, rig.join.held_bytes) == (16, 32)
    assert not rig.join.has_room_for(4)
    rig.advance()
    assert (rig.join.open_bytes, rig.join.held_bytes) == (16, 16)
    assert [rig.join.has_room_for(size) for size in (4, 5)] == [True, False]


def test_room_is_made_at_all_stations_and_for_a_record_that_fills_it_alone() -> None:
    rig = Rig(replace(SETTINGS, max_open_bytes=20))
    for station in ("a", "b"):
        rig.put(FRAMES, 0.0, frame(P._replace(station=station), "top", 0, at_s(0)))
    rig.join.make_room_for(100)
    assert {each.inspection.station for each in rig.advance()} == {"a", "b"}
    assert rig.join.has_room_for(100)


def test_a_successor_with_less_room_than_its_predecessor_keeps_the_bound() -> None:
    """Nothing is handed over before all was read again: a verdict made without the rest would hide records."""
    log = Log({at: [] for at in ALL})
    log.positions = {FRAMES: Position(0, OffsetMetadata(3, 0, 0).encode())}
    assignment, _ = log.assignment()
    join = Join(assignment, (), Book(), TOPICS, replace(SETTINGS, max_open_bytes=20))
    for offset in range(3):
        if not join.has_room_for(8):
            assert join.advance({FRAMES}, False, 0.0) == []
            join.make_room_for(8)
        piece = P._replace(piece_id=str(offset))
        join.add(frame(piece, "top", 0, at_s(offset / 10))(Origin(FRAMES.topic, 0, offset, at_s(offset / 10))))
        assert join.held_bytes <= 20
    (observation,) = join.advance({FRAMES}, False, 0.0)
    assert (observation.inspection.piece_id, observation.closing) == ("0", CloseReason.STATE_LIMIT)


def test_one_station_more_than_there_is_room_for_is_refused() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1))
    rig.frames()
    rig.put(FRAMES, 0.0, frame(P._replace(station="b"), "top", 0, at_s(0)))
    assert rig.reasons() == ["STATION_LIMIT"]


def test_a_station_of_refused_records_alone_takes_no_room() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1))
    rig.put(FRAMES, 0.0, frame(P._replace(station="typo"), "top", 0, at_s(1000)))
    rig.advance()
    rig.frames()
    assert rig.reasons() == ["CLOCK"]


def test_stations_whose_clocks_would_not_fit_next_to_an_offset_are_refused() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1000))
    for number in range(70):
        rig.put(FRAMES, 0.0, frame(P._replace(station=f"{number:048d}"), "top", 0, at_s(0)))
    rig.advance()
    assert set(rig.reasons()) == {"STATION_LIMIT"}
    memo = rig.join.positions()[FRAMES].memo
    assert len(OffsetMetadata.decode(memo, 0).clocks_ms) == 57


class Sources(NoMetrics):
    """Notes which sources were reported."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None:
        self.names.add(source)


def test_only_sources_that_a_recipe_names_are_reported() -> None:
    sources = Sources()
    rig = Rig(metrics=sources)
    for camera in ("top", "x1", "x2"):
        rig.put(FRAMES, 0.0, frame(P, camera, 0, at_s(0)))
    assert sources.names == {"top"}


def test_offsets_wait_for_the_verdict_and_for_what_may_still_be_needed() -> None:
    rig = Rig()
    rig.complete()
    only(rig.advance())
    assert rig.offsets() == {FRAMES: 0, SIGNALS: 0, PIECES: 0}
    rig.join.settle([P])
    assert rig.offsets() == {FRAMES: 3, SIGNALS: 1, PIECES: 0}
    rig.pass_s(5.5)
    assert rig.offsets() == {FRAMES: 3, SIGNALS: 3, PIECES: 0}


def test_a_verdict_is_remembered_for_two_horizons() -> None:
    rig = Rig()
    rig.complete()
    only(rig.advance())
    rig.join.settle([P])
    rig.join.positions()
    rig.join.committed({VERDICTS: 1, LETTERS: 0})

    def read_back() -> int | None:
        position = rig.join.positions()[FRAMES]
        return OffsetMetadata.decode(position.memo, position.offset).verdicts

    rig.pass_s(7.0)
    assert read_back() == 0
    rig.pass_s(2.0)
    assert read_back() == 1


def test_a_successor_takes_up_what_was_open_and_neither_repeats_nor_refuses() -> None:
    log = Log({at: [] for at in ALL})
    memo = OffsetMetadata(2, verdicts=0, dead_letters=0, clocks_ms={"a": at_s(60) // 1_000_000})
    log.positions = {FRAMES: Position(0, memo.encode())}
    assignment, _ = log.assignment()
    join = Join(assignment, [Judged(P, at_s(0), 0)], Book(), TOPICS, SETTINGS)
    q = P._replace(piece_id="q")
    for offset, each in enumerate((P, q)):
        join.add(frame(each, "top", 0, at_s(0))(Origin(FRAMES.topic, 0, offset, at_s(0))))
    assert join.rejected() == []
    assert [each.inspection for each in join.advance(frozenset(), True, 0.0)] == [q]


def test_partitions_far_ahead_of_the_slowest_unread_are_paused_and_go_on_later() -> None:
    rig = Rig()
    rig.frames(0.0)
    rig.signals(1.1)
    rig.advance(FRAMES, SIGNALS)
    assert rig.join.ahead() == {SIGNALS}
    rig.frames(0.2, P._replace(piece_id="q"))
    rig.advance(FRAMES, SIGNALS)
    assert rig.join.ahead() == frozenset()


def test_what_is_unread_in_another_shard_stops_neither_the_clock_nor_the_reading() -> None:
    rig, elsewhere = Rig(), FRAMES._replace(partition=1)
    rig.frames(0.0)
    rig.advance(FRAMES, elsewhere)
    assert rig.join.clock("a") == at_s(0.0)
    assert rig.join.ahead() == frozenset()


@pytest.mark.parametrize(("unread", "paused"), [((FRAMES, SIGNALS), {FRAMES}), ((FRAMES,), set())])
def test_frames_pause_while_many_pieces_wait_for_signals(
    unread: tuple[TopicPartition, ...], paused: set[TopicPartition]
) -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=2))
    rig.put(SIGNALS, 0.0, trace(P, at_s(-0.3)))
    rig.frames(0.0, P)
    rig.frames(0.0, P._replace(piece_id="q"))
    rig.advance(*unread)
    assert rig.join.ahead() == paused


def test_traces_that_wait_are_bounded() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=2))
    for number in range(3):
        rig.put(SIGNALS, 0.3, trace(P._replace(piece_id=str(number)), at_s(0)))
    assert rig.reasons() == ["STATE_LIMIT"]


def test_a_station_that_is_gone_does_not_keep_verdicts_in_memory() -> None:
    log = Log({at: [] for at in ALL})
    memo = OffsetMetadata(1, verdicts=0, dead_letters=0, clocks_ms={"a": at_s(0) // 1_000_000})
    log.positions = {FRAMES: Position(1, memo.encode())}
    assignment, _ = log.assignment()
    join = Join(replace(assignment, verdict_end=1), [Judged(P, at_s(0), 0)], Book(), TOPICS, SETTINGS)
    other = P._replace(station="b")
    join.add(event(other, EventKind.ENTERED, at_s(60))(Origin(PIECES.topic, 0, 0, at_s(60))))
    join.advance(frozenset(), True, 0.0)
    position = join.positions()[FRAMES]
    assert OffsetMetadata.decode(position.memo, position.offset).verdicts == 1


def strangers(rig: Rig, count: int, at: float) -> None:
    for number in range(count):
        inspection = InspectionId("line", f"typo-{number}", f"x{number}")
        rig.put(FRAMES, at, frame(inspection, "top", 0, at_s(at)))


def judge_all(rig: Rig) -> None:
    """A commit of everything that has closed."""
    rig.join.settle([each.inspection for each in rig.pass_s(2.0)])
    rig.join.positions()
    rig.join.committed({})


@pytest.mark.parametrize(
    ("later_s", "reasons"), [(7.9, ["STATION_LIMIT"]), (8.0, [])], ids=["within two horizons", "behind them"]
)
def test_a_new_station_takes_the_place_of_one_that_was_idle(later_s: float, reasons: list[str]) -> None:
    rig = Rig(replace(SETTINGS, max_stations=3))
    strangers(rig, 3, 0.0)
    judge_all(rig)
    rig.put(FRAMES, later_s, frame(P, "top", 0, at_s(later_s)))
    assert rig.reasons() == reasons
    assert rig.join.num_open == 1 - len(reasons)


def test_a_station_with_an_open_piece_keeps_its_place() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1))
    rig.put(FRAMES, 0.0, reference(P, "top", 0, at_s(0), "x"))
    strangers(rig, 1, 20.0)
    assert rig.reasons() == ["STATION_LIMIT"]


def test_places_are_free_after_a_restart_as_well() -> None:
    """The offset metadata holds the clocks of a predecessor's stations, but not their lags."""
    log = Log({at: [] for at in ALL})
    clocks_ms = {f"typo-{number}": at_s(0) // 1_000_000 for number in range(4)}
    log.positions = {FRAMES: Position(0, OffsetMetadata(0, 0, 0, clocks_ms).encode())}
    assignment, _ = log.assignment()
    join = Join(assignment, (), Book(), TOPICS, SETTINGS)
    join.add(frame(P, "top", 0, at_s(12))(Origin(FRAMES.topic, 0, 0, at_s(12))))
    assert (join.num_open, join.rejected()) == (1, [])
    memo = OffsetMetadata.decode(join.positions()[FRAMES].memo, 0)
    assert (len(memo.clocks_ms), memo.forgotten_ms) == (3, at_s(14) // 1_000_000)


class OneStation(Book):
    """Recipes name station `a` alone."""

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return super().sensors(line, station) if station == "a" else {}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return super().cameras(line, station) if station == "a" else frozenset()

    def traces_open(self, line: str, station: str) -> bool:
        return False

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return super().assembly(line, station, product) if station == "a" else None


def test_a_station_with_a_recipe_takes_the_place_of_one_without_at_once() -> None:
    rig = Rig(replace(SETTINGS, max_stations=3), book=OneStation())
    strangers(rig, 3, 0.0)
    judge_all(rig)
    strangers(rig, 4, 0.5)
    assert rig.reasons() == ["LATE", "LATE", "LATE", "STATION_LIMIT"]
    rig.put(FRAMES, 0.6, frame(P, "top", 0, at_s(0.6)))
    assert rig.join.num_open == 1
    assert rig.reasons() == []


@pytest.mark.parametrize("again_s", [0.7, 5.0, 11.0, 13.0, 60.0])
def test_a_piece_of_a_station_that_was_forgotten_is_not_judged_a_second_time(again_s: float) -> None:
    rig = Rig(replace(SETTINGS, max_stations=3), book=OneStation())
    strangers(rig, 3, 0.0)
    judge_all(rig)
    rig.put(FRAMES, 0.6, frame(P, "top", 0, at_s(0.6)))
    rig.join.settle([each.inspection for each in rig.pass_s(again_s - 0.6)])
    rig.join.positions()
    rig.put(FRAMES, again_s, frame(InspectionId("line", "typo-0", "x0"), "top", 0, at_s(0)))
    rig.join.settle([each.inspection for each in rig.pass_s(2.0)])
    assert set(rig.reasons()) <= {"LATE", "TOO_OLD", "STATION_LIMIT"}
    assert rig.join.num_open == 0


def test_memory_of_verdicts_ends_although_their_station_was_forgotten() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1))
    strangers(rig, 1, 0.0)
    judge_all(rig)
    rig.join.committed({VERDICTS: 1, LETTERS: 0})
    rig.put(FRAMES, 9.0, frame(P, "top", 0, at_s(9)))
    rig.join.settle([each.inspection for each in rig.pass_s(4.0)])
    assert OffsetMetadata.decode(rig.join.positions()[FRAMES].memo, 0).verdicts == 1


def test_a_sensor_whose_every_chunk_is_refused_takes_no_room() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1))
    rig.put(SIGNALS, 0.0, chunk(MIC, 0, 9, station="typo", start_ns=at_s(1000)))
    rig.frames()
    assert rig.reasons() == ["CLOCK"]


def chunks(rig: Rig, count: int, num_samples: int, at: float = 0.0) -> None:
    """Chunks of one sensor, each behind the one before."""
    for number in range(count):
        start_ns = at_s(at) + number * num_samples * SECOND // 100
        rig.put(
            SIGNALS, at + number * num_samples / 100, chunk(MIC, number * num_samples, num_samples, start_ns=start_ns)
        )


@pytest.mark.parametrize("num_samples", [1, 10])
def test_samples_are_bounded_in_bytes_whatever_the_length_of_the_chunks(num_samples: int) -> None:
    rig = Rig(replace(SETTINGS, max_signal_bytes=20 * (SEGMENT_BYTES + 4 * num_samples)))
    chunks(rig, 25, num_samples)
    assert rig.reasons() == ["STATE_LIMIT"] * 5
    rig.put(PIECES, 20.0, event(P, EventKind.ENTERED, at_s(20)))
    rig.pass_s(1.0)
    chunks(rig, 20, num_samples, at=21.0)
    assert rig.reasons() == [], "the old ones were dropped, and count no more"


def test_a_producer_that_repeats_a_record_of_a_piece_does_not_make_it_grow() -> None:
    rig = Rig()
    for _ in range(60):
        rig.put(FRAMES, 0.0, frame(P, "unheard-of", 0, at_s(0)))
    reasons = rig.reasons()
    assert (reasons.count("UNKNOWN_SENSOR"), reasons.count("STATE_LIMIT")) == (52, 8)


def test_frames_that_cannot_be_read_do_not_make_a_piece_grow() -> None:
    rig = Rig()
    for number in range(60):
        rig.put(FRAMES, 0.0, bad_frame(P, f"camera-{number}", at_s(0)))
    piece = next(iter(rig.join._stations)).open[P]
    assert (len(piece.origins), len(piece.failed)) == (52, 52)
    assert rig.reasons() == ["BAD_IMAGE"] * 60


def test_a_station_that_the_predecessor_forgot_takes_no_place_from_the_one_that_followed() -> None:
    """Its record is read again before that of the piece that is open."""
    log = Log({at: [] for at in ALL})
    memo = OffsetMetadata(2, verdicts=0, dead_letters=0, forgotten_ms=at_s(1) // 1_000_000)
    log.positions = {FRAMES: Position(0, memo.encode())}
    assignment, _ = log.assignment()
    typo = P._replace(station="typo")
    join = Join(assignment, [Judged(typo, at_s(0), 0)], Book(), TOPICS, replace(SETTINGS, max_stations=1))
    for offset, inspection in enumerate((typo, P)):
        join.add(frame(inspection, "top", 0, at_s(offset))(Origin(FRAMES.topic, 0, offset, at_s(offset))))
    assert (join.num_open, join.rejected()) == (1, [])
