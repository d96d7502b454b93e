"""Scores for every set of experts are those that the service would have given had these experts run."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fusion.calibration import probability
from fusion.scored import Scored
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow
from inspector.evaluation.run import Examined, open_bundle
from tests.bundles import grey, hum, write_toy_bundle

scoring = pytest.importorskip("inspector.evaluation.scoring", reason="needs the training half")

pytestmark = pytest.mark.train
MEANS = [(0.2, 0.1), (0.6, 0.0), (0.4, 0.8), (0.9, None)]
"""Of image and samples; the last piece has no sound."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    folder = tmp_path_factory.mktemp("toy")
    rows = [_row(folder, number, *means) for number, means in enumerate(MEANS)]
    return Examined(open_bundle(write_toy_bundle(folder / "bundle")), folder, rows, lambda done, total: None)


def _row(folder: Path, number: int, top: float, mic: float | None) -> PieceRow:
    cv2.imwrite(str(folder / f"{number}.png"), grey(top))
    np.save(folder / f"{number}.npy", hum(mic or 0))
    sound = SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{number}.npy")
    return PieceRow(
        piece_id=str(number),
        images=(ImageRow(camera="top", path=f"{number}.png"),),
        signals=() if mic is None else (sound,),
        label="nok" if max(top, mic or 0) > 0.5 else "ok",
        modality_labels={"top": "nok" if top > 0.5 else "ok"},
        split="test",
        groups={"top": f"t{number}", "mic": f"m{number}"},
    )


@pytest.fixture(scope="module")
def scores(seen: Examined) -> Scored:
    result: Scored = scoring.scored(seen)
    return result


def test_calibrated_they_are_the_scores_of_the_service(seen: Examined, scores: Scored) -> None:
    assert len(scores.sets) == len(seen.model.calibrations) == 7
    for names in scores.sets:
        calibration = seen.model.calibrations[names]
        expected = seen.scores([names] * len(MEANS))
        np.testing.assert_array_equal(
            probability(scores.of(names), calibration.temperature, calibration.bias), expected
        )
        assert (~np.isnan(expected)).any()


def test_they_follow_from_the_toy(scores: Scored) -> None:
    top = np.array([round(mean * 255) / 255 for mean, _ in MEANS])
    mic = np.array([np.nan if mean is None else mean for _, mean in MEANS])
    np.testing.assert_allclose(scores.expert_logits, [8 * top - 4, 16 * top - 8, 8 * mic - 4], atol=1e-4)
    np.testing.assert_allclose(scores.of({"top-thumb", "mic-ear"}), 8 * top - 4 + 8 * mic - 4, atol=1e-4)


def test_costs_are_the_bundles_and_none_where_nothing_was_heard(scores: Scored) -> None:
    assert scores.cpu_s.T.tolist() == [[1e-4, 1e-3, 2e-4]] * 3 + [[1e-4, 1e-3, 0]]


def test_labels_and_what_the_evidence_rests_on(scores: Scored) -> None:
    assert scores.labels.tolist() == [False, True, True, True]
    assert scores.units == tuple(map(frozenset, ({"top=t0", "mic=m0"}, {"top=t1"}, {"top=t2", "mic=m2"}, {"top=t3"})))
    assert scores.unseen.all()
