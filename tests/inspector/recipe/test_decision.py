"""Decisions, case by case; and that nothing passes unseen, whatever the case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.recipe.decision import Limits, decide, missing_required
from protos.inspection.v1 import verdict_pb2 as pb

LIMITS = Limits(0.3, 0.7)
NAMES = st.frozensets(st.sampled_from(["top", "side", "mic"]))


@pytest.mark.parametrize(
    ("score", "limits", "missing", "decision", "reason"),
    [
        (0.29, LIMITS, (), "PASS", "GOOD"),
        (0.30, LIMITS, (), "REVIEW", "UNCERTAIN"),
        (0.70, LIMITS, (), "REVIEW", "UNCERTAIN"),
        (0.71, LIMITS, (), "FAIL", "DEFECT"),
        (0.29, LIMITS, ("mic",), "REVIEW", "MISSING_MODALITY"),
        (0.50, LIMITS, ("mic",), "REVIEW", "MISSING_MODALITY"),
        (0.71, LIMITS, ("mic",), "FAIL", "DEFECT"),
        (0.50, Limits(0.5, 0.5), (), "REVIEW", "UNCERTAIN"),
        (1.00, Limits(0.5, 1.0), (), "REVIEW", "UNCERTAIN"),
        (0.60, Limits(0.8, 0.5), (), "FAIL", "DEFECT"),
        (0.10, None, (), "REVIEW", "UNCERTAIN"),
        (None, LIMITS, (), "REVIEW", "UNCERTAIN"),
        (None, None, (), "REVIEW", "UNCERTAIN"),
        (None, None, ("mic",), "REVIEW", "MISSING_MODALITY"),
        (float("nan"), LIMITS, (), "REVIEW", "ENGINE"),
        (float("-inf"), LIMITS, (), "REVIEW", "ENGINE"),
        (float("inf"), LIMITS, ("mic",), "REVIEW", "ENGINE"),
    ],
)
def test_decision(
    score: float | None, limits: Limits | None, missing: tuple[str, ...], decision: str, reason: str
) -> None:
    expected = (pb.Decision.Value(f"DECISION_{decision}"), pb.DecisionReason.Value(f"DECISION_REASON_{reason}"))
    assert decide(score, limits, missing) == expected


@pytest.mark.parametrize(
    ("required", "present", "examined", "expected"),
    [
        ({"top", "mic"}, {"top", "mic"}, {"top", "mic"}, set()),
        ({"top", "mic"}, {"top"}, {"top"}, {"mic"}),
        ({"top", "mic"}, {"top", "mic"}, {"top"}, {"mic"}),
        ({"top"}, {"top"}, {"top"}, set()),
        ({"top"}, {"top", "mic"}, {"top"}, {"mic"}),
        ({"top"}, {"mic"}, {"mic"}, {"top"}),
    ],
)
def test_what_stands_between_a_piece_and_a_pass(
    required: set[str], present: set[str], examined: set[str], expected: set[str]
) -> None:
    assert missing_required(required, present, examined) == expected


@given(
    score=st.none() | st.floats(),
    limits=st.none() | st.builds(Limits, st.floats(0, 1), st.floats(0, 1)),
    required=NAMES,
    present=NAMES,
    examined=NAMES,
)
def test_pass_needs_everything(
    score: float | None,
    limits: Limits | None,
    required: frozenset[str],
    present: frozenset[str],
    examined: frozenset[str],
) -> None:
    ruling = decide(score, limits, missing_required(required, present, examined))
    seen_whole = required <= present and present <= examined
    low = score is not None and limits is not None and score < limits.pass_below and score <= limits.fail_above
    passes = seen_whole and low and score != float("-inf")
    assert (ruling.decision == pb.DECISION_PASS) == passes


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (0.0, pb.DECISION_REASON_IMPLAUSIBLE),
        (0.5, pb.DECISION_REASON_IMPLAUSIBLE),
        (1.0, pb.DECISION_REASON_DEFECT),
        (None, pb.DECISION_REASON_IMPLAUSIBLE),
    ],
)
def test_nothing_passes_with_a_source_that_cannot_be_believed(score, reason):
    assert decide(score, Limits(0.3, 0.7), (), {"top"}).reason == reason
    assert decide(score, Limits(0.3, 0.7), {"mic"}, {"top"}).reason == reason
