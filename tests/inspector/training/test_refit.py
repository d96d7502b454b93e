"""Encoders are fitted again for more recordings, unless calibration pieces speak against it; the report says why."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.scored import Scored
from inspector.training.refit import AGAIN, FIRST, compare_refit, not_refitted
from tests.certificates import claimless

NUM = 120
LABELS = np.arange(NUM) % 2 == 0
BOTH = frozenset({"top", "mic"})


def scored(signal: float, seed: int, *, unseen: bool = True) -> Scored:
    logits = (2 * LABELS - 1) * signal + np.random.default_rng(seed).standard_normal(NUM)
    return Scored(
        piece_ids=tuple(f"p{index}" for index in range(NUM)),
        labels=LABELS,
        units=tuple(frozenset({f"picture={index}"}) for index in range(NUM)),
        experts=("mic", "top"),
        expert_logits=np.stack([logits, logits]),
        sets=(BOTH,),
        logits=logits[None],
        cpu_s=np.zeros((2, NUM)),
        unseen=np.full(NUM, unseen),
    )


@pytest.mark.parametrize(("signal", "ships"), [(1.0, True), (2.0, True), (0.1, False)])
def test_encoders_fitted_again_ship_unless_they_rank_unseen_pieces_worse(signal: float, ships: bool) -> None:
    again = scored(signal, 1 if signal == 1.0 else 0, unseen=False)
    reversed_order = again.take(np.arange(NUM)[::-1])
    kept, choice = compare_refit(scored(1.0, 1), reversed_order)
    assert kept is ships
    assert choice.chosen == (AGAIN if ships else FIRST)
    assert "in AUC, from 60 independent defective and 60 good pieces" in choice.line()


def test_only_pieces_that_no_encoder_had_seen_are_compared() -> None:
    first = scored(1.0, 1)
    few = replace(first, unseen=np.arange(NUM) < 40)
    _, choice = compare_refit(few, scored(1.0, 0))
    assert "from 20 independent defective and 20 good pieces" in choice.line()


def test_what_was_not_fitted_again_says_why() -> None:
    line = not_refitted(claimless(of_these_encoders=True), "the configuration says never").line()
    assert line.startswith(f"Refit: {FIRST} rather than {AGAIN} (not compared, from ")
    assert line.endswith("; the configuration says never.")
