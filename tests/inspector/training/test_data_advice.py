"""What a manifest does not tell a training is said before anything is fitted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.dataset.manifest import ManifestError
from inspector.dataset.repeats import CHANCE_BYTES
from inspector.training.advice import Advice
from inspector.training.data_advice import data_advice, manifest_advice
from inspector.training.dataset import Dataset

pytestmark = pytest.mark.train

Row = dict[str, Any]
NUM = 24
"""Pieces of each split; every second one is defective."""


def pieces(folder: Path, change: Callable[[list[Row]], None] = lambda rows: None) -> Path:
    """A manifest that leaves nothing to be said, and the change; each recording has bytes of its own."""
    rows = [_row(split, number) for split in ("train", "calibration", "test") for number in range(NUM)]
    change(rows)
    rng = np.random.default_rng(0)
    for row in rows:
        for source in (*row["images"], *row["signals"]):
            if not (folder / source["path"]).exists():
                (folder / source["path"]).write_bytes(rng.bytes(CHANCE_BYTES + 1))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def _row(split: str, number: int) -> Row:
    name, bad = f"{split}{number}", number % 2 == 1
    return {
        "piece_id": name,
        "label": "nok" if bad else "ok",
        "defects": ["crack"] if bad else [],
        "split": split,
        "groups": {"image": f"i{name}", "signal": f"s{name}"},
        "images": [{"camera": "top", "path": f"{name}.png"}],
        "signals": [{"sensor": "mic", "kind": "audio", "sample_rate_hz": 16000.0, "path": f"{name}.wav"}],
        "modality_labels": {"image": "nok" if bad else "ok", "signal": "nok" if bad else "ok"},
    }


def advice_of(path: Path, **shows: tuple[str, ...]) -> list[Advice]:
    return list(data_advice(Dataset(path, shows)))


def test_a_manifest_that_says_everything_is_not_warned_of(tmp_path: Path) -> None:
    assert advice_of(pieces(tmp_path)) == []


def without_labels(rows: list[Row]) -> None:
    for row in rows:
        row["modality_labels"] = {}


def without_labels_of_sound(rows: list[Row]) -> None:
    for row in rows[:4]:
        del row["modality_labels"]["signal"]


def mistyped_modality(rows: list[Row]) -> None:
    rows[0]["modality_labels"]["mike"] = "ok"


def good_sounds(rows: list[Row]) -> None:
    for row in rows:
        row["modality_labels"]["signal"] = "ok"


def good_with_a_bad_part(rows: list[Row]) -> None:
    rows[0]["modality_labels"]["image"] = "nok"


def contradiction(rows: list[Row]) -> None:
    rows[1]["images"], rows[1]["groups"]["image"] = rows[0]["images"], rows[0]["groups"]["image"]


def without_class(rows: list[Row]) -> None:
    rows[1]["defects"] = []


def rare_class(rows: list[Row]) -> None:
    for row in rows[NUM + 1 : NUM + 9 : 2]:
        row["defects"] = ["crack", "dent"]


def one_recording_of_a_class(rows: list[Row]) -> None:
    """All that is defective in calibration is one picture and one sound."""
    bad = rows[NUM + 1 : 2 * NUM : 2]
    for row in bad:
        row["images"], row["signals"], row["groups"] = bad[0]["images"], bad[0]["signals"], bad[0]["groups"]


def without_test(rows: list[Row]) -> None:
    del rows[2 * NUM :]


def other_group(rows: list[Row]) -> None:
    """The file is copied under another name, with another group."""
    rows[2]["images"] = rows[0]["images"]


def other_camera(rows: list[Row]) -> None:
    for row in rows:
        row["images"].append({"camera": "side", "path": row["images"][0]["path"]})


def twice_in_a_piece(rows: list[Row]) -> None:
    rows[0]["images"] *= 2


@pytest.mark.parametrize(
    ("change", "kind", "parts"),
    [
        (without_labels, "labels", ("24 of 24 defective pieces have no label for top", '[labels] "crack" = ["top"]')),
        (without_labels_of_sound, "labels", ("2 of 24 defective pieces have no label for mic", "modality_labels")),
        (mistyped_modality, "labels", ("mike", "no camera or sensor", "image, mic, signal, top")),
        (good_sounds, "labels", ("no recording of mic in split train is labelled nok",)),
        (
            good_with_a_bad_part,
            "labels",
            ("1 pieces are labelled ok but nok in a modality, the first is train0 in top",),
        ),
        (contradiction, "labels", ("1 recordings are labelled ok and nok", "train0.png of train0", "train1")),
        (without_class, "labels", ("1 of 36 defective pieces name no class", "train1")),
        (rare_class, "evidence", ("1 of 3 classes", "dent 0 in train, 4 in calibration, 0 in test")),
        (one_recording_of_a_class, "evidence", ("crack 12 in train, 1 in calibration, 12 in test",)),
        (without_test, "evidence", ("split test lacks pieces labelled ok or nok",)),
        (other_group, "recordings", ("1 recordings occur in several groups", "itrain0", "itrain2")),
        (other_camera, "recordings", ("72 recordings occur for several cameras or sensors",)),
        (twice_in_a_piece, "recordings", ("train0.png of train0 is listed more than once",)),
    ],
    ids=lambda part: part.__name__ if callable(part) else "",
)
def test_what_is_missing_is_said_with_what_to_do(
    tmp_path: Path, change: Callable[[list[Row]], None], kind: str, parts: tuple[str, ...]
) -> None:
    texts = [advice.text for advice in advice_of(pieces(tmp_path, change)) if advice.kind == kind]
    assert any(all(part in text for part in parts) for text in texts), texts


def test_a_map_of_classes_answers_the_question_for_labels(tmp_path: Path) -> None:
    path = pieces(tmp_path, without_labels)
    assert [advice.kind for advice in advice_of(path)] == ["labels", "labels"]
    assert advice_of(path, crack=("top", "mic")) == []


def copy(folder: Path, source: str, target: str, num_bytes: int) -> None:
    (folder / source).write_bytes(b"x" * num_bytes)
    (folder / target).write_bytes(b"x" * num_bytes)


def test_one_recording_in_two_splits_under_two_names_is_refused(tmp_path: Path) -> None:
    copy(tmp_path, "train0.png", "test4.png", CHANCE_BYTES + 1)
    with pytest.raises(ManifestError, match=r"train0\.png of train0 in train and test4\.png of test4 in test"):
        advice_of(pieces(tmp_path))


def test_small_files_may_be_alike_by_chance(tmp_path: Path) -> None:
    copy(tmp_path, "train0.png", "test4.png", CHANCE_BYTES)
    texts = advice_of(pieces(tmp_path))
    assert {advice.kind for advice in texts} == {"recordings"}
    assert "in several splits under several names" in texts[0].text


def test_a_recording_that_pieces_of_one_group_and_label_share_is_no_repeat(tmp_path: Path) -> None:
    def share(rows: list[Row]) -> None:
        rows[2]["images"], rows[2]["groups"]["image"] = rows[0]["images"], rows[0]["groups"]["image"]

    assert advice_of(pieces(tmp_path, share)) == []


def test_with_one_modality_the_piece_s_label_is_its_own(tmp_path: Path) -> None:
    def pictures_alone(rows: list[Row]) -> None:
        for row in rows:
            row["signals"], row["modality_labels"], row["groups"] = [], {}, {"image": row["groups"]["image"]}
        rows[1]["images"], rows[1]["groups"] = rows[0]["images"], rows[0]["groups"]

    texts = advice_of(pieces(tmp_path, pictures_alone))
    assert [advice.kind for advice in texts] == ["labels"]
    assert "labelled ok and nok" in texts[0].text


def test_good_pieces_alone_are_warned_of_repeats_too(tmp_path: Path) -> None:
    path = pieces(tmp_path, other_group)
    assert [advice.kind for advice in manifest_advice(path)] == ["recordings"]


def test_recordings_that_cannot_be_read_are_left_to_their_reader(tmp_path: Path) -> None:
    path = pieces(tmp_path)
    for file in tmp_path.glob("*.png"):
        file.unlink()
    assert advice_of(path) == []
