"""The join of one piece: entering, waiting, closing, and dead letters."""

from dataclasses import replace

import numpy as np
import pytest

from streams.decode.items import EventKind
from streams.observation import CloseReason, MissingReason, State
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    MIC,
    PIECES,
    SIGNALS,
    Make,
    bad_frame,
    chunk,
    event,
    frame,
    reference,
    trace,
)
from tests.streams.join.join_rig import ALL, P, Rig, at_s, only


def test_a_complete_piece_closes_at_once_with_everything() -> None:
    rig = Rig()
    rig.complete()
    piece = only(rig.advance())
    assert piece.closing is CloseReason.COMPLETE
    assert {name: view.state for name, view in piece.views.items()} == dict.fromkeys(("top", "side"), State.PRESENT)
    assert {clip.state for clip in piece.clips.values()} == {State.PRESENT}
    assert piece.clips["mic"].samples is not None
    assert piece.clips["mic"].samples[:, 0].tolist() == list(range(90, 140))
    assert piece.clips["mic"].first_ns == at_s(-0.1)
    assert (piece.entry_ns, piece.append_ns, piece.arrival_ns) == (at_s(0), at_s(0), at_s(0.5))
    assert rig.reasons() == []


def test_nothing_closes_a_piece_but_time_or_data() -> None:
    rig = Rig()
    rig.frames()
    assert rig.advance() == []
    assert rig.advance(*ALL) == []
    assert rig.join.num_open == 1
    piece = only(rig.pass_s(1.5))
    assert piece.closing is CloseReason.PASSED
    assert {clip.absence for clip in piece.clips.values()} == {MissingReason.NOT_RECEIVED}


@pytest.mark.parametrize(
    ("make", "absent"),
    [
        (event(P, EventKind.ENTERED, at_s(0)), MissingReason.NOT_RECEIVED),
        (bad_frame(P, "top", at_s(0)), MissingReason.UNDECODABLE),
        (bad_frame(P, None, at_s(0)), MissingReason.NOT_RECEIVED),
        (reference(P, "top", 0, at_s(0), "x"), MissingReason.REFERENCE),
    ],
)
def test_an_inspection_without_an_image_is_observed_all_the_same(make: Make, absent: MissingReason) -> None:
    rig = Rig()
    rig.put(FRAMES, 0.05, make)
    piece = only(rig.pass_s(3.0))
    assert piece.views["top"].absence is absent
    assert piece.views["top"].images == ()
    assert piece.clips["near"].absence is MissingReason.NO_ANCHOR


def test_a_good_frame_takes_the_place_of_an_undecodable_one() -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, bad_frame(P, "top", at_s(0)))
    rig.complete()
    assert only(rig.advance()).closing is CloseReason.COMPLETE
    assert rig.reasons() == ["BAD_IMAGE"]


def test_fewer_images_than_the_recipe_asks_for_are_kept_but_not_present() -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, frame(P, "side", 1, at_s(0)))
    view = only(rig.pass_s(2.0)).views["side"]
    assert (view.state, view.absence, view.coverage, len(view.images)) == (
        State.MISSING,
        MissingReason.COVERAGE,
        0.5,
        1,
    )


@pytest.mark.parametrize(("left_s", "closes_s"), [(None, 1.3), (0.1, 1.1), (0.9, 1.3)])
def test_cameras_are_waited_for_until_the_span_or_left_plus_the_delay(left_s: float | None, closes_s: float) -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, frame(P, "side", 0, at_s(0)))
    rig.put(SIGNALS, 0.0, trace(P, at_s(-0.3)))
    if left_s is not None:
        rig.put(PIECES, 0.0, event(P, EventKind.LEFT, at_s(left_s)))
    rig.signals(0.7)
    rig.put(SIGNALS, closes_s - 0.01, chunk(MIC, 900, 1, start_ns=at_s(closes_s - 0.02)))
    assert rig.advance(SIGNALS) == []
    rig.put(SIGNALS, closes_s, chunk(MIC, 901, 1, start_ns=at_s(closes_s - 0.01)))
    only(rig.advance(SIGNALS))


@pytest.mark.parametrize(("product", "closing"), [("good", CloseReason.ABORTED), ("unknown", CloseReason.NO_RECIPE)])
def test_what_needs_no_expert_closes_at_once(product: str, closing: CloseReason) -> None:
    rig = Rig()
    rig.put(PIECES, 0.0, event(P, EventKind.ABORTED if product == "good" else EventKind.ENTERED, at_s(0), product))
    assert only(rig.advance()).closing is closing


def test_an_entered_event_after_the_first_frame_moves_the_window() -> None:
    rig = Rig()
    rig.complete()
    rig.put(PIECES, 0.6, event(P, EventKind.ENTERED, at_s(-0.2)))
    piece = only(rig.advance())
    assert piece.entry_ns == at_s(-0.2)
    assert piece.clips["mic"].first_ns == at_s(-0.3)


def test_a_piece_waits_for_events_that_the_log_took_before_its_last_record() -> None:
    rig = Rig()
    rig.complete()
    assert rig.advance(PIECES) == []
    rig.put(PIECES, 0.2, event(P, EventKind.ENTERED, at_s(-0.2)))
    rig.put(PIECES, 0.4, event(P._replace(piece_id="q"), EventKind.ENTERED, at_s(0.4)))
    assert [each.entry_ns for each in rig.advance(PIECES)] == [at_s(-0.2)]


@pytest.mark.parametrize(
    ("ends_s", "state", "absence", "coverage"),
    [
        ((), State.MISSING, MissingReason.NOT_RECEIVED, 0.0),
        ((-0.1,), State.STALE, MissingReason.NOT_RECEIVED, 0.0),
        ((0.15,), State.MISSING, MissingReason.COVERAGE, 0.5),
        ((0.4,), State.PRESENT, None, 1.0),
    ],
)
def test_a_clip_says_why_it_is_not_there(
    ends_s: tuple[float, ...], state: State, absence: MissingReason | None, coverage: float
) -> None:
    rig = Rig()
    rig.frames()
    for end_s in ends_s:
        rig.signals(end_s, "mic")
    clip = only(rig.pass_s(3.0)).clips["mic"]
    assert (clip.state, clip.absence, clip.coverage) == (state, absence, coverage)
    assert (clip.samples is None) is (state is not State.PRESENT)


def test_data_beyond_the_window_pass_a_sensor_without_waiting_for_the_clock() -> None:
    rig = Rig()
    rig.frames()
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    rig.signals(0.5, "near")
    rig.put(SIGNALS, 0.66, chunk(MIC, 0, 1, start_ns=at_s(0.64)))
    assert only(rig.advance()).closing is CloseReason.PASSED


@pytest.mark.parametrize(
    ("at", "append_s", "make", "reason"),
    [
        (FRAMES, 10.0, frame(P, "top", 0, at_s(5.9)), "TOO_OLD"),
        (FRAMES, 10.0, frame(P, "top", 0, at_s(12.1)), "CLOCK"),
        (FRAMES, 10.0, frame(P, "back", 0, at_s(10)), "UNKNOWN_SENSOR"),
        (FRAMES, 10.0, frame(P, "top", 1, at_s(10)), "INVALID_FIELD"),
        (FRAMES, 10.0, bad_frame(P, "top", at_s(5.9)), "TOO_OLD"),
        (SIGNALS, 10.0, chunk(replace(MIC, name="other"), 0, 9, start_ns=at_s(10)), "UNKNOWN_SENSOR"),
        (SIGNALS, 10.0, chunk(replace(MIC, sample_rate_hz=99.0), 0, 9, start_ns=at_s(10)), "WRONG_FORMAT"),
        (SIGNALS, 10.0, chunk(replace(MIC, kind="vibration"), 0, 9, start_ns=at_s(9)), "WRONG_FORMAT"),
        (SIGNALS, 10.0, chunk(MIC, 0, 9, start_ns=at_s(5.0)), "LATE"),
        (SIGNALS, 10.0, chunk(MIC, 0, 9, start_ns=at_s(12.0)), "CLOCK"),
        (SIGNALS, 10.0, trace(P, at_s(5.0)), "ORPHAN"),
        (SIGNALS, 10.0, trace(P, at_s(12.0)), "CLOCK"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_dead_letter(
    at: TopicPartition, append_s: float, make: Make, reason: str
) -> None:
    rig = Rig()
    rig.put(PIECES, 10.0, event(P._replace(piece_id="clock"), EventKind.ENTERED, at_s(10)))
    rig.advance()
    rig.put(at, append_s, make)
    assert rig.reasons() == [reason]
    assert rig.join.num_open == (2 if reason in ("UNKNOWN_SENSOR", "INVALID_FIELD") and at == FRAMES else 1)
    assert rig.join.clock("a") == at_s(10)


@pytest.mark.parametrize(
    ("at", "make"),
    [
        (FRAMES, frame(P, "top", 0, at_s(0))),
        (PIECES, event(P, EventKind.ENTERED, at_s(0))),
        (SIGNALS, trace(P, at_s(0))),
        (SIGNALS, chunk(MIC, 0, 9, start_ns=at_s(0))),
    ],
)
def test_the_same_record_again_is_a_duplicate(at: TopicPartition, make: Make) -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, frame(P, "side", 0, at_s(0)))
    for _ in range(2):
        rig.put(at, 0.4, make)
    assert rig.reasons() == ["DUPLICATE"]


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize(
    ("at", "make", "reasons"),
    [
        (FRAMES, frame(P, "top", 0, at_s(0)), ["LATE"]),
        (FRAMES, bad_frame(P, "top", at_s(0)), ["BAD_IMAGE"]),
        (PIECES, event(P, EventKind.ABORTED, at_s(0)), ["LATE"]),
        (PIECES, event(P, EventKind.LEFT, at_s(0)), []),
        (SIGNALS, trace(P, at_s(0)), ["LATE"]),
    ],
)
def test_what_comes_after_closing_changes_nothing(
    at: TopicPartition, make: Make, reasons: list[str], is_settled: bool
) -> None:
    rig = Rig()
    rig.complete()
    only(rig.advance())
    if is_settled:
        rig.join.settle([P])
    rig.put(at, 0.6, make)
    assert rig.reasons() == reasons
    assert rig.pass_s(3.0) == []


def test_a_trace_waits_for_its_piece_and_is_an_orphan_when_none_enters() -> None:
    rig = Rig()
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    rig.put(SIGNALS, 0.3, trace(P._replace(piece_id="q"), at_s(0)))
    assert rig.pass_s(1.0) == []
    rig.frames(1.0)
    rig.signals(2.0)
    assert only(rig.advance()).clips["press"].state is State.PRESENT
    rig.pass_s(5.0)
    assert rig.reasons() == ["ORPHAN"]


def test_a_reference_is_waited_for_by_the_monotonic_clock_and_its_image_used() -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, reference(P, "top", 0, at_s(0), "x"))
    (pending,) = rig.join.references()
    assert rig.join.references() == []
    rig.put(PIECES, 30.0, event(P._replace(piece_id="far"), EventKind.ENTERED, at_s(30)))
    assert rig.advance() == []
    rig.join.resolve(P, pending.camera, pending.sequence, np.zeros((2, 2), np.uint8), "")
    assert only(rig.advance()).views["top"].state is State.PRESENT


def test_a_reference_that_does_not_come_is_one_dead_letter() -> None:
    rig = Rig()
    rig.put(FRAMES, 0.0, reference(P, "top", 0, at_s(0), "x"))
    rig.pass_s(3.0)
    rig.join.resolve(P, "top", 0, None, "too late to matter")
    assert rig.reasons() == ["REFERENCE"]
