"""Noisy-or of several experts: calibration of each, and the rule's result."""

import numpy as np
import pytest

from fusion.calibration import fit
from inspector.bundle.schema import Modality
from inspector.dataset.manifest import PieceRow
from inspector.evaluation.noisy_or import calibrated, noisy_or, truth

NAN = float("nan")


def log_odds(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        ([[0.5]], 0.5),
        ([[0.5], [0.5]], 0.75),
        ([[0.2], [0.5], [0.9]], 1 - 0.8 * 0.5 * 0.1),
        ([[0.1, 0.9], [0.5]], 0.75),
        ([[0.3], [NAN]], 0.3),
        ([[1.0 - 1e-12]], 1 - 1e-9),
    ],
    ids=["alone", "two", "three", "two experts of one camera", "nothing to look at", "no certainty"],
)
def test_any_modality_makes_a_piece_defective(modalities: list[list[float]], expected: float) -> None:
    result = noisy_or([np.array([log_odds(chance)]) for chance in chances] for chances in modalities)
    assert 1 / (1 + np.exp(-result[0])) == pytest.approx(expected, abs=1e-10)


def test_an_expert_is_calibrated_on_what_it_saw_and_what_is_known() -> None:
    rng = np.random.default_rng(0)
    true = (rng.random(200) < 0.4).astype(float)
    logits = 4 * (2 * true - 1) + rng.normal(0, 4, 200)
    expected = fit(logits[20:180], true[20:180] > 0.5)
    unseen, doubtful = logits.copy(), true.copy()
    unseen[:20], doubtful[180:] = NAN, NAN
    result = calibrated(np.array([-1.0, 1.0, NAN]), unseen, doubtful)
    assert result[:2].tolist() == [logit / expected.temperature + expected.bias for logit in (-1.0, 1.0)]
    assert np.isnan(result[2])


def test_the_truth_of_a_modality_is_its_own_label_or_that_of_the_piece() -> None:
    labels = [("nok", {"image": "ok"}), ("nok", {}), ("ok", {}), ("unknown", {}), ("nok", {"top": "unknown"})]
    rows = [
        PieceRow.model_validate({"piece_id": str(n), "label": label, "split": "test", "modality_labels": by_modality})
        for n, (label, by_modality) in enumerate(labels)
    ]
    assert truth(rows, Modality(name="top", kind="image")).tolist() == pytest.approx([0, 1, 0, NAN, NAN], nan_ok=True)
