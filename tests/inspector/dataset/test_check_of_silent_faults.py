"""Faults that are easily overlooked: few unnamed defects, recordings of nothing, masks, labels, configurations."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli.data import data
from tests.inspector.dataset.own_data import Row, data_set
from tests.inspector.dataset.sample_files import image_file, wav

Change = Callable[[list[Row]], None]


def checked(folder: Path, change: Change, *options: str) -> str:
    result = CliRunner().invoke(data, ["check", str(data_set(folder, change)), *options])
    assert (result.exit_code, "All is well" in result.output) == (1, False), result.output
    return result.output


def unnamed_of_two_groups(rows: list[Row]) -> None:
    for number, row in enumerate(rows):
        if row["label"] == "nok":
            row.update(defects=[], groups={"part": f"{row['split']}-{number % 2}"})


def good_of_two_groups(rows: list[Row]) -> None:
    for number, row in enumerate(rows):
        if row["label"] == "ok":
            row.update(groups={"part": f"{row['split']}-{number % 2}"})


def silent(rows: list[Row]) -> None:
    rows[3]["signals"][0]["path"] = "silent.wav"


def covered(rows: list[Row]) -> None:
    rows[3]["images"][0]["path"] = "covered.png"


def black_mask(rows: list[Row]) -> None:
    for row in rows:
        if row["label"] == "nok":
            row["mask"] = "mask.png"
    rows[6]["mask"] = "black.png"


def lost_mask(rows: list[Row]) -> None:
    for row in rows[7:18]:
        row["mask"] = "mask.png"


def class_without_masks(rows: list[Row]) -> None:
    for row in rows:
        if row["defects"] == ["crack"]:
            row["mask"] = "mask.png"


def no_label(rows: list[Row]) -> None:
    rows[0]["label"] = "unknown"
    rows[0]["modality_labels"] = {}


def empty_label(rows: list[Row]) -> None:
    rows[6]["defects"] = [""]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (unnamed_of_two_groups, "1 of 2 classes have fewer than 5 independent parts in a split (nok 2 in train, 2 in"),
        (good_of_two_groups, "1 of 3 classes have fewer than 5 independent parts in a split (ok 2 in train, 2 in"),
        (silent, "piece train-ok-3: sensor mic: 1 of 54 recordings have one value throughout"),
        (covered, "piece train-ok-3: camera top: 1 of 54 images have one value throughout"),
        (black_mask, "piece train-crack-0: 1 masks of defective pieces have no white pixel (above 127)"),
        (lost_mask, "25 of 36 defective pieces have no mask, and others of their class do, the first is train-crack-0"),
        (class_without_masks, "no piece of these classes has a mask, while other classes have theirs: dent (18)"),
        (no_label, "piece train-ok-0: 1 of 54 pieces have no label (empty or unknown)"),
        (empty_label, "manifest.jsonl:7: defects[0] = '': String should have at least 1 character"),
    ],
)
def test_it_is_said_and_not_all_is_well(tmp_path: Path, change: Change, text: str) -> None:
    (tmp_path / "silent.wav").write_bytes(wav(np.zeros(4000, "<i2").tobytes()))
    (tmp_path / "covered.png").write_bytes(image_file(".png", np.zeros((80, 80), np.uint8)))
    drawn = np.zeros((80, 80), np.uint8)
    (tmp_path / "black.png").write_bytes(image_file(".png", drawn + 1))
    drawn[:9] = 255
    (tmp_path / "mask.png").write_bytes(image_file(".png", drawn))
    assert text in checked(tmp_path, change)


TOP = '[[experts]]\nname = "eye"\nmodality = "{}"\nscout = false\ntype = "{}"\n{}'
MIC = '[[experts]]\nname = "ear"\nmodality = "mic"\ntype = "signal"\nencoder = "log_mel"\n'


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (TOP.format("top", "image", ""), "no expert of the configuration uses mic"),
        (TOP.format("tpo", "image", "") + MIC, "an expert uses 'tpo', but the manifest has top, mic"),
        (
            TOP.format("top", "signal", 'encoder = "log_mel"\n') + MIC,
            "expert 'eye' reads a signal, and top is a camera",
        ),
        ("[cameras.side]\nregion = [[0, 0], [9, 0], [9, 9]]\n", "has a table [cameras.side], and the cameras of"),
        ("[cameras.top]\nregion = [[0, 0], [99, 0], [9, 9]]\n", "the region's corner [99, 0] lies outside"),
        ('[cameras.top]\nmask = "gone.png"\n', "gone.png: cannot be read"),
        ('[cameras.top.align]\nreference = "other.png"\n', "other.png: has 40 x 40 px"),
        ('[cameras.top.align]\nreference = "usual.png"\n', "train-ok-0.png: "),
        ("[cameras.top.tiles]\nrows = 16\ncols = 16\nside_px = 4096\n", "16 x 16 tiles of 4096 x 4096 px"),
    ],
)
def test_a_configuration_is_checked_against_the_data(tmp_path: Path, config: str, text: str) -> None:
    pixels = np.random.default_rng(9).integers(0, 255, (80, 80), np.uint8)
    (tmp_path / "usual.png").write_bytes(image_file(".png", pixels))
    (tmp_path / "other.png").write_bytes(image_file(".png", pixels[:40, :40]))
    (tmp_path / "train.toml").write_text(config)
    said = checked(tmp_path, lambda rows: None, "--config", str(tmp_path / "train.toml"))
    assert text in said


@pytest.mark.parametrize(("key", "text"), [("leave_out", "Left out, for their"), ("soft", "Learned with their prob")])
def test_uncertain_labels_are_noted_as_the_configuration_takes_them(tmp_path: Path, key: str, text: str) -> None:
    def uncertain(rows: list[Row]) -> None:
        extra = {"label": "unknown", "defects": [], "modality_labels": {}, "defect_probability": 0.33}
        for number in range(2):
            row = {**rows[0], **extra, "piece_id": f"u{number}", "groups": {"part": f"u{number}"}}
            row.update(images=[{"camera": "top", "path": f"u{number}.png"}], signals=rows[0]["signals"])
            rows.append(row | {"groups": rows[0]["groups"]})

    (tmp_path / "train.toml").write_text(f'uncertain_labels = "{key}"\n')
    manifest = str(data_set(tmp_path, uncertain))
    result = CliRunner().invoke(data, ["check", manifest, "--config", str(tmp_path / "train.toml")])
    assert result.exit_code == 0, result.output
    assert f"note: manifest.jsonl names probabilities of a defect. {text}" in result.output
