"""Verdicts that were made again are compared by what they say, not by when and at what cost."""

import math
from collections.abc import Callable

import pytest

from inspector.replay.judge_again import compare
from protos.inspection.v1 import verdict_pb2 as pb
from tests.golden.make import messages


def verdict() -> pb.Verdict:
    message = messages()["Verdict.fail"]
    assert isinstance(message, pb.Verdict)
    copy = pb.Verdict()
    copy.CopyFrom(message)
    return copy


def changed(change: Callable[[pb.Verdict], None]) -> pb.Verdict:
    other = verdict()
    change(other)
    return other


def test_a_verdict_equals_itself() -> None:
    again = compare(1, verdict(), verdict())
    assert (again.differences, again.score_difference, again.is_bit_equal) == ((), 0.0, True)


def set_later(other: pb.Verdict) -> None:
    other.decision_ns, other.publish_ns, other.cost_ms, other.deployment = 1, 2, 3.5, 4
    other.deadline_missed = False
    other.experts[0].cost_ms = 17
    other.inputs.partition = 3


def test_times_costs_and_places_do_not_count() -> None:
    assert compare(1, verdict(), changed(set_later)).is_bit_equal


def test_the_last_bits_of_a_score_do_not_count_but_are_seen() -> None:
    again = compare(1, verdict(), changed(lambda v: setattr(v, "defect_score", math.nextafter(0.97, 1))))
    assert (again.differences, again.is_bit_equal) == ((), False)
    assert 0 < again.score_difference < 1e-9


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: setattr(v, "decision", pb.DECISION_PASS), "decision"),
        (lambda v: setattr(v, "reason", pb.DECISION_REASON_GOOD), "reason"),
        (lambda v: setattr(v, "defect_score", 0.97001), "defect_score"),
        (lambda v: v.ClearField("defect_score"), "defect_score"),
        (lambda v: setattr(v, "route", "cascade:full"), "route"),
        (lambda v: setattr(v.classes[0], "probability", 0.5), "class scratch probability"),
        (lambda v: setattr(v.modalities[0], "gate_weight", 0.5), "top gate_weight"),
        (lambda v: setattr(v.modalities[1], "state", pb.MODALITY_STATE_STALE), "modalities"),
        (lambda v: setattr(v.experts[1], "ran", True), "experts"),
        (lambda v: setattr(v.images[0].regions[0], "x_px", 2), "evidence"),
        (lambda v: v.ClearField("signals"), "evidence"),
    ],
)
def test_what_is_said_counts(change: Callable[[pb.Verdict], None], named: str) -> None:
    (difference,) = compare(1, verdict(), changed(change)).differences
    assert difference.startswith(f"{named}: ")
    assert not compare(1, verdict(), changed(change)).is_bit_equal
