"""Which modality alone decided a verdict, by what the verdict holds."""

import pytest

from inspector.verdicts.lone import lone_decider, thorough_only
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS, DECISION_REVIEW, ExpertRun, Modality, Verdict


def verdict(decision: int, **scores: float) -> Verdict:
    modalities = [Modality(name=name, defect_score=score, gate_weight=0.5) for name, score in scores.items()]
    return Verdict(decision=decision, pass_below=0.1, fail_above=0.9, modalities=modalities)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        (verdict(DECISION_FAIL, top=0.95, mic=0.05), "top"),
        (verdict(DECISION_FAIL, top=0.95, mic=0.99), None),
        (verdict(DECISION_FAIL, top=0.8, mic=0.8), None),
        (verdict(DECISION_PASS, top=0.5, mic=0.01), "mic"),
        (verdict(DECISION_REVIEW, top=0.5, mic=0.01), "top"),
        (verdict(DECISION_FAIL, top=0.95), None),
    ],
    ids=["one", "both", "neither", "pass", "review", "only one there"],
)
def test_one_modality_decides_if_its_score_alone_would_have(judged: Verdict, expected: str | None) -> None:
    assert lone_decider(judged) == expected


def test_scores_that_are_no_probabilities_tell_nothing() -> None:
    judged = verdict(DECISION_FAIL, top=0.95, mic=0.05)
    judged.modalities[1].ClearField("defect_score")
    judged.modalities[1].raw_defect_score = 0.05
    assert lone_decider(judged) is None


def test_a_verdict_without_limits_was_decided_by_none() -> None:
    judged = verdict(DECISION_REVIEW, top=0.5, mic=0.01)
    judged.ClearField("pass_below")
    assert lone_decider(judged) is None


def _runs(*names: str) -> Verdict:
    kinds = {"thumb": ("top", "scout"), "full": ("top", "routed"), "ear": ("mic", "scout"), "long": ("mic", "routed")}
    return Verdict(
        experts=[
            ExpertRun(expert=name, modality=modality, ran=name in names, why=why if name in names else "skipped")
            for name, (modality, why) in kinds.items()
        ]
    )


def test_thorough_experts_of_one_modality_are_told_from_those_of_several_and_from_scouts() -> None:
    assert thorough_only(_runs("thumb", "full", "ear")) == "top"
    assert thorough_only(_runs("thumb", "full", "ear", "long")) is None
    assert thorough_only(_runs("thumb", "ear")) is None
