"""Errors in files name the key or word that was likely meant."""

from pathlib import Path

import pytest

from inspector.dataset.manifest import ManifestError, read_manifest
from inspector.training.config import TrainConfigError, read_train_config

ROW = '"piece_id": "p", "split": "train"'
SIGNAL = '"sensor": "mic", "sample_rate_hz": 10, "path": "a.wav"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fitting]\nepochs = 3\n", "fitting: is not a known key; it belongs into experts"),
        ("num_fold = 3\n", "num_fold = 3: is not a known key; did you mean 'num_folds'?"),
        (
            '[[experts]]\ntype = "image"\nname = "a"\nmodality = "top"\nscout = true\nheigth_px = 48\n',
            "experts[0].heigth_px = 48: is not a known key; did you mean 'height_px'?",
        ),
        ('[[experts]]\nname = "a"\nmodality = "top"\n', "experts[0]: 'type' is required; add one of image, signal"),
        ('policy = "casade"\n', "did you mean 'cascade'?"),
        ("name = 3 =\n", "is not TOML"),
    ],
)
def test_a_training_configuration_says_what_was_likely_meant(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "train.toml"
    file.write_text(text)
    with pytest.raises(TrainConfigError) as caught:
        read_train_config(file)
    assert message in str(caught.value)


def test_every_problem_of_a_training_configuration_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("num_fold = 3\nnum_threads = -1\n")
    with pytest.raises(TrainConfigError) as caught:
        read_train_config(file)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"lable": "ok"', "lable = 'ok': is not a known key; did you mean 'label'?"),
        ('"label": "nokk"', "did you mean 'nok'?"),
        (f'"signals": [{{{SIGNAL}, "kind": "vibrations"}}]', "did you mean 'vibration'?"),
        (f'"signals": [{{{SIGNAL}}}]', "signals[0].kind: is required; add it"),
        ('"label": ok', "Invalid JSON"),
    ],
)
def test_a_manifest_says_what_was_likely_meant(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "manifest.jsonl"
    file.write_text(f"{{{ROW}, {row}}}\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(file)
    assert f"{file}:1: " in str(caught.value)
    assert message in str(caught.value)
