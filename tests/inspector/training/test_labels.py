"""Labels per modality from the defects of a piece, by the configuration's map of classes."""

import json
from pathlib import Path

import pytest

from inspector.bundle.schema import Modality
from inspector.dataset.manifest import Label, ManifestError, PieceRow
from inspector.training.config import TrainConfigError, read_train_config
from inspector.training.dataset import Dataset
from inspector.training.labels import with_own_labels
from tests.inspector.training.test_dataset import manifest

pytestmark = pytest.mark.train

MODALITIES = (
    Modality(name="top", kind="image"),
    Modality(name="side", kind="image"),
    Modality(name="mic", kind="audio"),
)
SHOWS = {"crack": ("top",), "dent": ("image",), "hum": ("signal",), "chip": ("side", "mic")}


def inferred(label: Label, *defects: str, **given: Label) -> list[Label | None]:
    row = PieceRow(piece_id="a", split="train", label=label, defects=defects, modality_labels=given)
    others = [PieceRow(piece_id=name, split="train", label="nok", defects=(name,)) for name in (*SHOWS, "odd")]
    labels = with_own_labels([row, *others], MODALITIES, SHOWS)[0].modality_labels
    return [labels.get(name, labels.get("image" if name != "mic" else "signal")) for name in ("top", "side", "mic")]


@pytest.mark.parametrize(
    ("label", "defects", "expected"),
    [
        ("ok", (), ["ok", "ok", "ok"]),
        ("unknown", (), ["unknown", "unknown", "unknown"]),
        ("nok", ("crack",), ["nok", "ok", "ok"]),
        ("nok", ("dent",), ["nok", "nok", "ok"]),
        ("nok", ("hum",), ["ok", "ok", "nok"]),
        ("nok", ("crack", "hum"), ["nok", "ok", "nok"]),
        ("nok", ("chip",), ["ok", "nok", "nok"]),
        ("nok", ("crack", "odd"), ["nok", "unknown", "unknown"]),
        ("nok", ("odd",), ["unknown", "unknown", "unknown"]),
        ("nok", (), ["unknown", "unknown", "unknown"]),
    ],
)
def test_a_piece_is_nok_where_one_of_its_defects_shows(
    label: Label, defects: tuple[str, ...], expected: list[Label]
) -> None:
    assert inferred(label, *defects) == expected


def test_labels_of_the_manifest_stay() -> None:
    assert inferred("nok", "crack", top="ok", signal="nok") == ["ok", "ok", "nok"]


@pytest.mark.parametrize(
    ("shows", "message"),
    [
        ({"crak": ("top",)}, r"\[labels\] names the class 'crak'.*did you mean 'crack'"),
        ({"crack": ("tpo",)}, r"\[labels\] names the camera or sensor 'tpo'.*did you mean 'top'"),
    ],
)
def test_names_that_the_manifest_does_not_have_are_refused(shows: dict[str, tuple[str]], message: str) -> None:
    rows = [PieceRow(piece_id="a", split="train", label="nok", defects=("crack",))]
    with pytest.raises(ManifestError, match=message):
        with_own_labels(rows, MODALITIES, shows)


def with_defects(path: Path, *names: str) -> Path:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["defects"] = list(names) if row["label"] == "nok" else []
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_modality_shows_the_classes_of_the_map_also_where_they_always_come_together(tmp_path: Path) -> None:
    path = with_defects(manifest(tmp_path, ("train", "calibration")), "crack", "hum")
    dataset = Dataset(path, {"crack": ("top",), "hum": ("mic",)})
    assert {modality.name: modality.classes for modality in dataset.modalities} == {"top": ("crack",), "mic": ("hum",)}


def test_the_map_stands_in_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('[labels]\ncrack = ["top"]\nhum = ["mic", "acc"]\n')
    assert read_train_config(path).labels == {"crack": ("top",), "hum": ("mic", "acc")}
    path.write_text('[labels]\ncrack = "top"\n')
    with pytest.raises(TrainConfigError, match="labels"):
        read_train_config(path)
