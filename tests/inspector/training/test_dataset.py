"""Data that no expert can be fitted or judged on is refused with what is lacking."""

import json
from pathlib import Path

import pytest

from inspector.dataset.manifest import ManifestError
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.config_check import require_experts_for_all
from inspector.training.dataset import Dataset

pytestmark = pytest.mark.train


def manifest(folder: Path, sensor_in: tuple[str, ...], groups: int = 2) -> Path:
    rows = []
    for split in ("train", "calibration"):
        for number, label in enumerate(("ok", "nok", "ok", "nok")):
            name = f"{split}{number}"
            row: dict[str, object] = {
                "piece_id": name,
                "label": label,
                "split": split,
                "groups": {"lot": f"{split}{number % groups}"},
                "images": [{"camera": "top", "path": f"{name}.png"}],
            }
            if split in sensor_in:
                row["signals"] = [{"sensor": "mic", "kind": "audio", "sample_rate_hz": 16000.0, "path": f"{name}.wav"}]
            rows.append(json.dumps(row))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_recordings_of_two_groups_in_both_splits_are_enough(tmp_path: Path) -> None:
    dataset = Dataset(manifest(tmp_path, ("train", "calibration")))
    assert [modality.name for modality in dataset.modalities] == ["top", "mic"]


@pytest.mark.parametrize(
    ("sensor_in", "groups", "message"),
    [
        (("train",), 2, "split calibration has no recording of mic"),
        (("calibration",), 2, "split train has no recording of mic"),
        (("train", "calibration"), 1, "split train has recordings of one group only of top"),
    ],
)
def test_a_split_without_a_modality_or_of_one_group_is_refused(
    tmp_path: Path, sensor_in: tuple[str, ...], groups: int, message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        Dataset(manifest(tmp_path, sensor_in, groups))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["top"], "no expert of the configuration uses mic"),
        (["top", "eye"], "uses 'eye'"),
        (["mic", "top"], "expert 'of-mic' reads images, and mic is a sensor"),
    ],
)
def test_experts_that_leave_a_modality_out_or_ask_for_another_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    dataset = Dataset(manifest(tmp_path, ("train", "calibration")))
    mic = SignalExpert(name="mic", modality="mic", encoder="log_mel")
    pictures = [ImageExpert(name=f"of-{name}", modality=name, scout=False) for name in ("top", *names)]
    require_experts_for_all([pictures[0], mic, pictures[0]], dataset.modalities)
    with pytest.raises(ManifestError, match=message):
        require_experts_for_all(pictures, dataset.modalities)


@pytest.mark.parametrize(
    ("split", "labels", "counts"),
    [
        ("train", ("unknown",), "4 pieces, 0 labelled ok and 0 labelled nok"),
        ("calibration", ("unknown",), "4 pieces, 0 labelled ok and 0 labelled nok"),
        ("train", ("ok", "unknown"), "4 pieces, 2 labelled ok and 0 labelled nok"),
        ("calibration", ("unknown", "nok"), "4 pieces, 0 labelled ok and 2 labelled nok"),
        ("train", ("nok",), "4 pieces, 0 labelled ok and 4 labelled nok"),
    ],
)
def test_a_split_without_good_or_defective_pieces_is_refused(
    tmp_path: Path, split: str, labels: tuple[str, ...], counts: str
) -> None:
    path = manifest(tmp_path, ("train", "calibration"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for number, row in enumerate(row for row in rows if row["split"] == split):
        row["label"] = labels[number % len(labels)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ManifestError, match=f"split {split} needs pieces labelled ok and nok, it has {counts}"):
        Dataset(path)
