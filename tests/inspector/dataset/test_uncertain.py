"""Labels that are not certain: left out and said so, or taught with their probability."""

import json
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.importing.items import DataImportError
from inspector.dataset.importing.table import Columns, table
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, read_manifest
from inspector.dataset.uncertain import is_uncertain, left_out, uncertain_lines


def line(name: str, split: str = "train", **values: object) -> str:
    return json.dumps(
        {"piece_id": name, "split": split, "images": [{"camera": "top", "path": f"{name}.png"}], **values}
    )


def rows(folder: Path, *lines: str) -> list[PieceRow]:
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return read_manifest(folder / "manifest.jsonl")


def test_four_levels_of_a_probability_are_ok_two_uncertain_and_nok(tmp_path: Path) -> None:
    found = rows(tmp_path, *(line(str(level), defect_probability=level) for level in (0, 0.33, 0.67, 1.0)))
    assert [row.label for row in found] == ["ok", "unknown", "unknown", "nok"]
    assert [is_uncertain(row) for row in found] == [False, True, True, False]


@pytest.mark.parametrize(("label", "probability"), [("ok", 0.33), ("nok", 0.67), ("ok", 1), ("nok", 0)])
def test_a_label_and_another_probability_contradict_each_other(tmp_path: Path, label: str, probability: float) -> None:
    with pytest.raises(ManifestError, match="leave the label out where it is not certain"):
        rows(tmp_path, line("a", label=label, defect_probability=probability))


def test_a_probability_outside_its_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="defect_probability"):
        rows(tmp_path, line("a", defect_probability=1.5))


def test_what_is_left_out_is_counted_by_reason_and_split(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        line("a", defect_probability=0.33),
        line("b", label="unknown"),
        line("c", "test", defect_probability=0.67),
        line("d", label="ok"),
    )
    assert left_out(found) == {"defect_probability 0.33": 1, "defect_probability 0.67": 1, "unknown": 1}
    (hard,) = uncertain_lines(found, soft=False)
    assert hard.startswith(
        "Left out, for their label is not certain: 2 pieces (defect_probability 0.33: 1, unknown: 1)"
    )
    assert 'uncertain_labels = "soft"' in hard
    learned, rest = uncertain_lines(found, soft=True)
    assert learned == (
        "Learned with their probability as the target: 1 pieces (defect_probability 0.33: 1) of split train."
    )
    assert "1 pieces (unknown: 1) of split train; 1 pieces (defect_probability 0.67: 1) of split test" in rest
    assert uncertain_lines(found[-1:], soft=True) == []


def test_a_table_may_have_a_probability_in_place_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,prob\na.png,0.0\nb.png,0.33333\nc.png,1\nd.png,\n")
    found = list(table(tmp_path / "labels.csv", Columns({"top": "photo"}, None, probability="prob"), ()))
    assert [(item.label, item.defect_probability) for item in found] == [
        ("ok", None),
        ("unknown", 0.33333),
        ("nok", None),
        ("unknown", None),
    ]
    (tmp_path / "labels.csv").write_text("photo,prob\na.png,66 %\n")
    with pytest.raises(DataImportError, match=r"labels.csv:2: '66 %' is no probability from 0 to 1"):
        list(table(tmp_path / "labels.csv", Columns({"top": "photo"}, None, probability="prob"), ()))


@pytest.mark.train
@pytest.mark.parametrize("soft", [False, True])
def test_only_a_soft_training_learns_the_probability_and_no_class(tmp_path: Path, soft: bool) -> None:
    data = pytest.importorskip("inspector.training.data", reason="needs the training half")
    uncertain = PieceRow(
        piece_id="a", images=(ImageRow(camera="top", path="a.png"),), defect_probability=0.67, split="train"
    )
    target = data.targets_of(uncertain, uncertain.label, ["crack"], ["crack"], 0.67 if soft else None)
    assert np.isnan(target[1])
    assert target[0] == pytest.approx(0.67) if soft else np.isnan(target[0])
