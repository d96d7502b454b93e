"""The accounts of the join: bounds, positions, memory of verdicts, take-over, pausing."""

from dataclasses import replace

import pytest

from streams.items import EventKind, Origin
from streams.join import Join, Judged
from streams.join_metrics import NoMetrics
from streams.log import Position
from streams.observation import Closing
from streams.records import TopicPartition
from streams.resume import Memo
from tests.streams.join_model import (
    FRAMES,
    LETTERS,
    PIECES,
    SETTINGS,
    SIGNALS,
    TOPICS,
    VERDICTS,
    Book,
    Log,
    event,
    frame,
    trace,
)
from tests.streams.join_rig import ALL, P, Rig, at_s, only


def test_the_oldest_pieces_close_when_there_is_no_room() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=2))
    for number in (2, 1, 3):
        rig.put(FRAMES, 0.0, frame(P._replace(piece_id=str(number)), "top", 0, at_s(number / 10)))
    assert [(each.inspection.piece_id, each.closing) for each in rig.advance()] == [("1", Closing.STATE_LIMIT)]


def test_images_in_open_pieces_are_bounded_in_bytes() -> None:
    rig = Rig(replace(SETTINGS, max_open_bytes=20))
    for number in range(4):
        rig.put(FRAMES, 0.0, frame(P._replace(piece_id=str(number)), "top", 0, at_s(number / 10)))
        assert rig.join.open_bytes <= 20
    assert [each.inspection.piece_id for each in rig.advance()] == ["0", "1"]


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


def test_stations_whose_clocks_would_not_fit_beside_an_offset_are_refused() -> None:
    rig = Rig(replace(SETTINGS, max_stations=1000))
    for number in range(70):
        rig.put(FRAMES, 0.0, frame(P._replace(station=f"{number:048d}"), "top", 0, at_s(0)))
    rig.advance()
    assert set(rig.reasons()) == {"STATION_LIMIT"}
    memo = rig.join.positions()[FRAMES].memo
    assert len(Memo.decode(memo, 0).clocks_ms) == 59


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
        return Memo.decode(position.memo, position.offset).verdicts

    rig.pass_s(7.0)
    assert read_back() == 0
    rig.pass_s(2.0)
    assert read_back() == 1


def test_a_successor_takes_up_what_was_open_and_neither_repeats_nor_refuses() -> None:
    log = Log({at: [] for at in ALL})
    memo = Memo(2, verdicts=0, dead_letters=0, clocks_ms={"a": at_s(60) // 1_000_000})
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
    memo = Memo(1, verdicts=0, dead_letters=0, clocks_ms={"a": at_s(0) // 1_000_000})
    log.positions = {FRAMES: Position(1, memo.encode())}
    assignment, _ = log.assignment()
    join = Join(replace(assignment, verdict_end=1), [Judged(P, at_s(0), 0)], Book(), TOPICS, SETTINGS)
    other = P._replace(station="b")
    join.add(event(other, EventKind.ENTERED, at_s(60))(Origin(PIECES.topic, 0, 0, at_s(60))))
    join.advance(frozenset(), True, 0.0)
    position = join.positions()[FRAMES]
    assert Memo.decode(position.memo, position.offset).verdicts == 1
