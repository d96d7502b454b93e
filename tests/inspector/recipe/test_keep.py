"""Which pieces a recipe keeps."""

import pytest
from pydantic import ValidationError

from inspector.recipe.keep import Keep, draw
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS, DECISION_REVIEW, DECISION_UNSPECIFIED
from streams.observation import InspectionId

PIECES = [InspectionId("l", "s", f"p{number}") for number in range(5000)]


@pytest.mark.parametrize("pieces", ["not_pass", "sampled", "all"])
def test_every_piece_that_is_not_pass_is_kept(pieces: str) -> None:
    keep = Keep.model_validate({"pieces": pieces})
    for decision in (DECISION_FAIL, DECISION_REVIEW, DECISION_UNSPECIFIED, 17):
        assert all(keep.wants(piece, decision) for piece in PIECES[:100])


def test_by_default_one_pass_in_twenty_is_kept_the_same_ones_each_time() -> None:
    kept = [piece for piece in PIECES if Keep().wants(piece, DECISION_PASS)]
    assert 190 <= len(kept) <= 310
    assert kept == [piece for piece in PIECES if Keep().wants(piece, DECISION_PASS)]
    others = [piece for piece in PIECES if Keep(seed=1).wants(piece, DECISION_PASS)]
    assert len(set(kept) & set(others)) < 40


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (1.0, 100)])
def test_a_share_may_be_none_or_all(share: float, kept: int) -> None:
    keep = Keep(pass_share=share)
    assert sum(keep.wants(piece, DECISION_PASS) for piece in PIECES[:100]) == kept


def test_the_parts_of_an_id_are_told_apart() -> None:
    assert draw(InspectionId("l", "s", "p", 1), 0) != draw(InspectionId("l", "s", "p1", 0), 0)
    assert draw(InspectionId("l", "s", "\ud800"), 0) < 1


def test_limits_are_by_decision() -> None:
    keep = Keep(pass_days=1, fail_days=2, review_days=3, pass_bytes=4, fail_bytes=5, review_bytes=6)
    decisions = (DECISION_PASS, DECISION_FAIL, DECISION_REVIEW, DECISION_UNSPECIFIED)
    assert [keep.days(decision) for decision in decisions] == [1, 2, 3, 3]
    assert [keep.max_bytes(decision) for decision in decisions] == [4, 5, 6, 6]


@pytest.mark.parametrize(
    "wrong", [{"pieces": "some"}, {"pass_share": 1.5}, {"pass_days": 0}, {"fail_bytes": -1}, {"x": 1}]
)
def test_other_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Keep.model_validate(wrong)
