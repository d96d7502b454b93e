"""Whether a modality that decides has shown that it can judge."""

import math

import numpy as np
import pytest

from fusion.scored import ExpertSet
from inspector.evaluation.dominance import Decided, Dominance, decision_alone, dominance, own_auc
from inspector.recipe.decision import Limits
from inspector.statistics.bootstrap import Interval
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS, DECISION_REVIEW
from tests.inspector.training.made_scores import EXPERTS

PIECES, GROUPS = 240, 40
LIMITS = Limits(0.2, 0.8)
EVERYTHING = frozenset(expert.name for expert in EXPERTS)
SURE, SURER, CHANCE = ((Interval(*auc), 30) for auc in ((0.9, 0.8, 0.95), (0.99, 0.97, 1.0), (0.55, 0.4, 0.7)))


def _line(camera_gate: float, camera: str, mic: str, ran: ExpertSet = EVERYTHING) -> Decided:
    """Five pieces that fail, and what each modality alone would say: F, P or R."""
    decision_of = {"F": DECISION_FAIL, "P": DECISION_PASS, "R": DECISION_REVIEW, "-": None}
    return Decided(
        experts=EXPERTS,
        decisions=[DECISION_FAIL] * 5,
        alone={"camera": [decision_of[word] for word in camera], "mic": [decision_of[word] for word in mic]},
        ran=[ran] * 5,
        gate={"camera": np.full(5, camera_gate), "mic": np.full(5, 1 - camera_gate)},
    )


def _made(noise_leads: bool, seed: int = 0) -> Dominance:
    """A camera that sees its defects and a microphone of pure noise, or one that hears them.

    `noise_leads`: the line decides by the noise, as a head that leans on it would.
    """
    rng = np.random.default_rng(seed)
    groups = [f"part-{piece % GROUPS}" for piece in range(PIECES)]
    seen, heard = (np.array([n % k == 0 for n in range(PIECES)])[rng.permutation(PIECES)] for k in (3, 4))
    of_group = rng.normal(0, 2, GROUPS)[np.arange(PIECES) % GROUPS]
    camera = np.where(seen, 3.0, -3.0) + rng.normal(0, 1.5, PIECES)
    mic = of_group if noise_leads else np.where(heard, 3.0, -3.0) + rng.normal(0, 1.5, PIECES)
    joint = mic if noise_leads else np.maximum(camera, mic)
    chances = {name: 1 / (1 + np.exp(-logits)) for name, logits in (("camera", camera), ("mic", mic), ("both", joint))}
    decisions_of = {name: [decision_alone(score, LIMITS) for score in scores] for name, scores in chances.items()}
    gate = np.full(PIECES, 0.2 if noise_leads else 2 / 3)
    decided = Decided(
        experts=EXPERTS,
        decisions=[decision for decision in decisions_of["both"] if decision is not None],
        alone={"camera": decisions_of["camera"], "mic": decisions_of["mic"]},
        ran=[EVERYTHING] * PIECES,
        gate={"camera": gate, "mic": 1 - gate},
    )
    auc = {"camera": own_auc(camera, seen.astype(float), groups), "mic": own_auc(mic, heard.astype(float), groups)}
    return dominance(decided, auc)


@pytest.mark.parametrize("seed", range(5))
def test_pure_noise_that_leads_is_warned_about_and_two_good_modalities_are_not(seed: int) -> None:
    (warning,) = _made(noise_leads=True, seed=seed).warnings()
    assert warning.startswith("mic leads (the gate gives it 0.80 (evenly 0.33) of the weight and it alone makes ")
    assert "from 40 independent groups), which may be chance" in warning
    assert _made(noise_leads=False, seed=seed).warnings() == []


def test_a_decision_is_one_modality_s_if_it_alone_would_have_made_it_and_no_other_would() -> None:
    shares = dominance(_line(2 / 3, "FFFRR", "FPR-F"), {"camera": SURE, "mic": SURE})
    assert (shares.modalities["camera"].alone, shares.modalities["mic"].alone) == (0.4, 0.2)
    assert (shares.several, shares.none) == (0.2, 0.2)
    assert shares.lines()[0].endswith(
        "camera 40%, mic 20%; each of several alone 20%, only together 20% (of 5 pieces)."
    )


def test_thorough_experts_of_one_modality_only_are_counted() -> None:
    auc = {"camera": SURE, "mic": SURE}
    assert dominance(_line(0.5, "FFFFF", "FFFFF"), auc).modalities["camera"].thorough_only == 1
    scouts = frozenset(expert.name for expert in EXPERTS if expert.scout)
    assert dominance(_line(0.5, "FFFFF", "FFFFF", scouts), auc).modalities["camera"].thorough_only == 0


def test_an_even_gate_counts_experts_and_not_modalities() -> None:
    shares = dominance(_line(2 / 3, "FFFFF", "FFFFF"), {"camera": CHANCE, "mic": SURE})
    assert shares.modalities["camera"].even_gate == pytest.approx(2 / 3)
    assert shares.warnings() == []


@pytest.mark.parametrize(
    ("camera_gate", "camera", "worth", "lack"),
    [
        (0.9, "FFFFF", CHANCE, "which may be chance"),
        (0.9, "FFFFF", SURE, "certainly below that of mic"),
        (2 / 3, "FFFRR", CHANCE, "which may be chance"),
        (2 / 3, "FFFRR", SURE, ""),
        (0.7, "FFFFF", CHANCE, ""),
        (0.9, "FFFFF", (Interval(math.nan, math.nan, math.nan), 3), "which may be chance"),
    ],
    ids=["gate", "gate to the weaker", "alone", "alone and good", "no lead", "unknown worth"],
)
def test_a_lead_must_be_earned(camera_gate: float, camera: str, worth: tuple[Interval, int], lack: str) -> None:
    mic = "RRRRF" if "R" in camera else "FFFFF"
    warnings = dominance(_line(camera_gate, camera, mic), {"camera": worth, "mic": SURER}).warnings()
    assert [lack in warning for warning in warnings] == ([True] if lack else [])


def test_the_worth_of_a_modality_counts_its_groups_and_not_its_pieces() -> None:
    rng = np.random.default_rng(0)
    true = np.repeat(np.array([1.0, 0.0] * 6), 20)
    scores = true + np.repeat(rng.normal(0, 1, 12), 20)
    few, many = (own_auc(scores, true, [f"g{n // size}" for n in range(240)])[0] for size in (20, 1))
    assert few.mean == many.mean
    assert few.low < many.low - 0.1


def test_recordings_that_are_all_alike_tell_nothing_of_a_modality() -> None:
    interval, groups = own_auc(np.array([1.0, 2.0, np.nan]), np.array([1.0, 1.0, 0.0]), ["a", "b", "c"])
    assert math.isnan(interval.low)
    assert groups == 2
