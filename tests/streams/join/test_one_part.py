"""Two parts that are read under one id: the dead letter says so, and no piece that both belong to passes unmarked."""

from random import Random

import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import EventKind
from streams.join.join import Join, Judged
from streams.observation import InspectionId
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    PIECES,
    SETTINGS,
    SIGNALS,
    TOPICS,
    Book,
    Log,
    Make,
    bad_frame,
    event,
    frame,
    reference,
    run,
    trace,
)
from tests.streams.join.join_rig import ALL, P, Rig, at_s, only

TWICE, LATE = ["ID_READ_TWICE"], ["LATE"]
AFTER = [
    (FRAMES, frame(P, "top", 0, at_s(0.1)), TWICE),
    (FRAMES, frame(P, "top", 0, at_s(0)), LATE),
    (FRAMES, reference(P, "top", 0, at_s(0.1), "good"), TWICE),
    (FRAMES, bad_frame(P, "top", at_s(0.5)), TWICE),
    (FRAMES, bad_frame(P, "top", at_s(0.1)), ["BAD_IMAGE"]),
    (PIECES, event(P, EventKind.ENTERED, at_s(0.5)), TWICE),
    (PIECES, event(P, EventKind.ENTERED, at_s(0.1)), LATE),
    (PIECES, event(P, EventKind.LEFT, at_s(0.5)), []),
    (PIECES, event(P, EventKind.ABORTED, at_s(0.5)), LATE),
    (SIGNALS, trace(P, at_s(0.1)), TWICE),
    (SIGNALS, trace(P, at_s(0)), LATE),
]


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize(("at", "make", "reasons"), AFTER)
def test_after_the_verdict_another_part_is_distinguished_from_a_late_record(
    at: TopicPartition, make: Make, reasons: list[str], is_settled: bool
) -> None:
    rig = Rig()
    rig.complete()
    assert not only(rig.advance()).is_read_twice
    if is_settled:
        rig.join.settle([P])
    rig.put(at, 0.6, make)
    assert rig.reasons() == reasons
    assert rig.pass_s(3.0) == []


def test_a_frame_that_was_missing_is_late_within_the_span_and_another_parts_behind_it() -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, frame(P, "side", 0, at_s(0)))
    only(rig.pass_s(2.0))
    rig.put(FRAMES, 2.0, frame(P, "top", 0, at_s(0.3)))
    rig.put(FRAMES, 2.0, frame(P, "top", 0, at_s(0.301)))
    assert rig.reasons() == ["LATE", "ID_READ_TWICE"]


def test_after_an_entered_event_every_other_one_is_another_parts() -> None:
    rig = Rig()
    rig.put(PIECES, 0.0, event(P, EventKind.ENTERED, at_s(0)))
    rig.complete()
    only(rig.advance())
    rig.put(PIECES, 0.6, event(P, EventKind.ENTERED, at_s(0.1)))
    rig.put(PIECES, 0.6, event(P, EventKind.ENTERED, at_s(0)))
    assert rig.reasons() == ["ID_READ_TWICE", "LATE"]


def test_a_clock_that_is_ahead_is_no_other_part() -> None:
    rig = Rig()
    rig.complete()
    only(rig.advance())
    rig.put(FRAMES, 0.6, frame(P, "top", 0, at_s(3600)))
    assert rig.reasons() == ["CLOCK"]


def test_the_dead_letter_says_what_to_do() -> None:
    rig = Rig()
    rig.complete()
    only(rig.advance())
    rig.put(FRAMES, 0.6, frame(P, "top", 0, at_s(2)))
    (letter,) = rig.join.rejected()
    assert letter.inspection == P
    assert letter.detail == (
        "line/a/p#0 came again, for another part: image 0 of camera 'top' was received before, 2.000 s apart. Fix the "
        "reader that gives two parts one id; raise pass_number for a repeated measurement; otherwise wait 8 s before "
        "using an id again"
    )


@pytest.mark.parametrize(
    ("at", "first", "second"),
    [
        (FRAMES, frame(P, "top", 0, at_s(0)), frame(P, "top", 0, at_s(0.1))),
        (PIECES, event(P, EventKind.ENTERED, at_s(0)), event(P, EventKind.ENTERED, at_s(0.1))),
        (SIGNALS, trace(P, at_s(0)), trace(P, at_s(0.1))),
    ],
    ids=["frame", "event", "trace"],
)
def test_two_parts_in_one_open_piece_are_marked(at: TopicPartition, first: Make, second: Make) -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, frame(P, "side", 0, at_s(0)))
    rig.put(at, 0.3, first)
    rig.put(at, 0.3, second)
    assert rig.reasons() == TWICE
    assert only(rig.pass_s(3.0)).is_read_twice


@pytest.mark.parametrize(("apart_s", "is_read_twice"), [(0.3, False), (0.301, True)])
@pytest.mark.parametrize("is_lost_first", [True, False])
def test_a_frame_in_place_of_one_that_was_lost_is_another_parts_beyond_the_span(
    apart_s: float, is_read_twice: bool, is_lost_first: bool
) -> None:
    """Nobody sees a second frame where the first one cannot be decoded."""
    rig = Rig()
    makes = (bad_frame, frame) if is_lost_first else (frame, bad_frame)
    for seconds, make in zip((0.0, apart_s), makes, strict=True):
        record = frame(P, "top", 0, at_s(seconds)) if make is frame else bad_frame(P, "top", at_s(seconds))
        rig.put(FRAMES, seconds, record)
    assert rig.reasons() == ["BAD_IMAGE"]
    assert only(rig.pass_s(3.0)).is_read_twice is is_read_twice


def test_a_successor_of_an_owner_that_saw_both_parts_marks_the_piece_too() -> None:
    q = P._replace(piece_id="q")
    records = [
        (FRAMES, at_s(0), frame(P, "top", 0, at_s(0))),
        (FRAMES, at_s(0.2), frame(P, "top", 0, at_s(0.1))),
        (FRAMES, at_s(0.2), frame(q, "top", 0, at_s(0.1))),
    ]
    for seed in range(20):
        log = run(Log.of(records), Random(seed), crash=0.4)
        assert {each.inspection: each.is_read_twice for each in log.verdicts} == {P: True, q: False}
        assert [each.reason for each in log.letters] == [pb.DEAD_LETTER_REASON_ID_READ_TWICE]


def test_a_successor_marks_a_piece_that_is_opened_behind_what_was_of_another_part() -> None:
    """Traces lie in another partition than what opens their piece: a successor may read both before it."""
    q = P._replace(piece_id="q")
    records = [
        (FRAMES, at_s(0), frame(P, "side", 0, at_s(0))),
        (SIGNALS, at_s(0.2), trace(P, at_s(0))),
        (SIGNALS, at_s(0.3), trace(P, at_s(0.1))),
        (FRAMES, at_s(0.3), frame(q, "top", 0, at_s(0.3))),
    ]
    for seed in range(20):
        log = run(Log.of(records), Random(seed), crash=0.4)
        assert {each.inspection: each.is_read_twice for each in log.verdicts} == {P: True, q: False}


def test_a_successor_tells_another_part_by_the_entry_alone() -> None:
    assignment, _ = Log({at: [] for at in ALL}).assignment()
    join = Join(assignment, [Judged(P, at_s(0), 0)], Book(), TOPICS, SETTINGS)
    rig = Rig()
    rig.join = join
    rig.put(FRAMES, 0.5, frame(P, "top", 0, at_s(0.2)))
    rig.put(FRAMES, 0.5, frame(P, "top", 0, at_s(0.4)))
    assert rig.reasons() == ["LATE", "ID_READ_TWICE"]


def test_an_id_may_be_used_again_when_two_horizons_have_passed() -> None:
    rig = Rig()
    rig.complete()
    rig.join.settle([only(rig.advance()).inspection])
    rig.join.positions()
    rig.pass_s(7.0)
    rig.join.positions()
    rig.put(FRAMES, 7.0, frame(P, "top", 0, at_s(7.0)))
    assert rig.reasons() == TWICE
    rig.pass_s(3.0)
    rig.join.positions()
    rig.put(FRAMES, 10.0, frame(P, "top", 0, at_s(10.0)))
    assert rig.reasons() == []
    assert only(rig.pass_s(3.0)).inspection == InspectionId("line", "a", "p")
