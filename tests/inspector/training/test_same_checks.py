"""What `inspector data check` calls an error, a training refuses in the same words; its warnings are the training's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.check.run import check_data
from inspector.dataset.findings import errors
from inspector.dataset.manifest import ManifestError
from inspector.training.data_advice import data_advice, file_survey
from inspector.training.dataset import Dataset
from tests.inspector.dataset.own_data import Row, data_set
from tests.inspector.dataset.sample_files import npy, with_value

pytestmark = pytest.mark.train


def one_group(rows: list[Row]) -> None:
    for row in rows[:18]:
        row["groups"] = {"part": "one"}


def blank_camera(rows: list[Row]) -> None:
    for row in rows:
        row["images"][0]["camera"] = "Kamera 1"


def no_labels(rows: list[Row]) -> None:
    for row in rows:
        row.update(label="unknown", defects=[], modality_labels={})


def crossing(rows: list[Row]) -> None:
    rows[20]["groups"] = rows[0]["groups"]


def missing(rows: list[Row]) -> None:
    rows[0]["signals"][0]["path"] = "nan.npy"


def other_rate(rows: list[Row]) -> None:
    rows[0]["signals"][0].update(path="slow.npy", sample_rate_hz=8000.0)


def stereo(rows: list[Row]) -> None:
    rows[0]["signals"][0].update(path="stereo.npy")


def trained(manifest: Path) -> None:
    """What a training does with its data before it fits anything."""
    dataset = Dataset(manifest)
    list(file_survey(manifest, dataset.rows))
    list(data_advice(dataset))


@pytest.mark.parametrize("change", [one_group, blank_camera, no_labels, crossing, missing, other_rate, stereo])
def test_training_refuses_what_the_check_calls_an_error(tmp_path: Path, change: Callable[[list[Row]], None]) -> None:
    (tmp_path / "nan.npy").write_bytes(npy(with_value(np.nan)))
    (tmp_path / "slow.npy").write_bytes(npy(np.random.default_rng(0).normal(size=(2000, 1)).astype(np.float32)))
    (tmp_path / "stereo.npy").write_bytes(npy(np.random.default_rng(1).normal(size=(4000, 2)).astype(np.float32)))
    manifest = data_set(tmp_path, change)
    found = errors(check_data(manifest).findings)
    assert found
    with pytest.raises(ManifestError) as caught:
        trained(manifest)
    for finding in found:
        assert finding.text in str(caught.value)


def test_warnings_of_the_check_are_those_of_a_training(tmp_path: Path) -> None:
    def few_parts(rows: list[Row]) -> None:
        for row in rows[6:12]:
            row["groups"] = {"part": "one"}
        rows[6]["modality_labels"] = {"image": "nok"}

    manifest = data_set(tmp_path, few_parts)
    texts = {finding.text for finding in check_data(manifest).findings}
    assert len(texts) == 2
    assert {advice.text for advice in data_advice(Dataset(manifest))} == texts
