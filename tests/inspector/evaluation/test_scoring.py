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
def found(seen: Examined) -> Scored:
    result: Scored = scoring.scored(seen)
    return result


def test_calibrated_they_are_the_scores_of_the_service(seen: Examined, found: Scored) -> None:
    assert len(found.sets) == len(seen.model.calibrations) == 7
    for names in found.sets:
        own = seen.model.calibrations[names]
        expected = seen.scores([names] * len(MEANS))
        np.testing.assert_array_equal(probability(found.of(names), own.temperature, own.bias), expected)
        assert (~np.isnan(expected)).any()


def test_they_follow_from_the_toy(found: Scored) -> None:
    top = np.array([round(own * 255) / 255 for own, _ in MEANS])
    mic = np.array([np.nan if own is None else own for _, own in MEANS])
    np.testing.assert_allclose(found.expert_logits, [8 * top - 4, 16 * top - 8, 8 * mic - 4], atol=1e-4)
    np.testing.assert_allclose(found.of({"top-thumb", "mic-ear"}), 8 * top - 4 + 8 * mic - 4, atol=1e-4)


def test_costs_are_the_bundles_and_none_where_nothing_was_heard(found: Scored) -> None:
    assert found.cpu_s.T.tolist() == [[1e-4, 1e-3, 2e-4]] * 3 + [[1e-4, 1e-3, 0]]


def test_labels_and_what_the_evidence_rests_on(found: Scored) -> None:
    assert found.labels.tolist() == [False, True, True, True]
    assert found.units == tuple(map(frozenset, ({"top=t0", "mic=m0"}, {"top=t1"}, {"top=t2", "mic=m2"}, {"top=t3"})))
    assert found.unseen.all()
