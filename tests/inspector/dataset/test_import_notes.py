"""An import is not silent about what it leaves out, joins, or cannot know."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset.manifest import read_manifest
from tests.inspector.dataset.import_sources import NUM, SIZE, class_folders, coco_file, picture, run, yolo_folder


def output(folder: Path, *arguments: str | Path) -> str:
    result = run(*arguments, "--out", folder / "set")
    assert result.exit_code == 0, result.output
    return result.output


def refusal(folder: Path, *arguments: str | Path) -> str:
    result = run(*arguments, "--out", folder / "set")
    assert result.exit_code == 1
    return result.output


def mvtec_set(folder: Path, masks: tuple[str, ...] = (), suffix: str = "_mask") -> Path:
    for number in range(8):
        picture(folder / "train" / "good" / f"{number:03}.png")
        for name in ("bent", "scratch"):
            picture(folder / "test" / name / f"{number:03}.png")
    for name in masks:
        (folder / "ground_truth" / name).mkdir(parents=True)
        for number in range(8):
            cv2.imwrite(str(folder / "ground_truth" / name / f"{number:03}{suffix}.png"), np.full(SIZE, 255, np.uint8))
    return folder


@pytest.mark.parametrize(
    ("masks", "suffix", "expected"),
    [
        ((), "_mask", "16 of 16 defective images have no mask"),
        ((), "_mask", "whether heat maps show the defect cannot be measured. A mask is white where the defect is"),
        (("scratch",), "_mask", "8 of 16 defective images have no mask"),
        (("scratch",), "_mask", "is measured on the others alone"),
        (("bent", "scratch"), "-mask", "/ground_truth/bent/000_mask.png; 16 files of "),
    ],
)
def test_masks_that_a_set_of_mvtec_lacks_are_said_once(
    tmp_path: Path, masks: tuple[str, ...], suffix: str, expected: str
) -> None:
    said = output(tmp_path, "mvtec", mvtec_set(tmp_path / "screw", masks, suffix))
    assert expected in said
    assert said.count("have no mask") == 1


def test_a_complete_set_of_mvtec_has_no_such_warning(tmp_path: Path) -> None:
    assert "no mask" not in output(tmp_path, "mvtec", mvtec_set(tmp_path / "screw", ("bent", "scratch")))


def test_a_folder_of_a_class_without_a_recording_is_named(tmp_path: Path) -> None:
    source = class_folders(tmp_path)
    (source / "empty").mkdir()
    assert "no recording is of empty: there are no pieces of it" in output(tmp_path, "folders", source)


def test_classes_that_differ_in_spelling_alone_are_named(tmp_path: Path) -> None:
    said = output(tmp_path, "folders", class_folders(tmp_path, ("good", "Öl Fleck", "öl_fleck", "dent")))
    assert "Öl Fleck and öl_fleck are classes of their own, for they are written differently" in said
    assert said.count("written differently") == 1


def test_classes_that_only_look_alike_are_named(tmp_path: Path) -> None:
    """A Mac writes an umlaut as two characters."""
    composed, decomposed = "\u00d6l", "O\u0308l"
    said = output(tmp_path, "folders", class_folders(tmp_path, ("good", composed, decomposed)))
    assert "are classes of their own, for they are written differently" in said


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    source = class_folders(tmp_path)
    (source / "dent").rename(source / os.fsdecode(b"Ri\xdf"))
    said = refusal(tmp_path, "folders", source)
    assert "Ri\\udcdf" in said
    assert "its name is no UTF-8" in said
    assert "pydantic" not in said


def test_a_mask_without_its_picture_is_named(tmp_path: Path) -> None:
    source = class_folders(tmp_path)
    picture(source / "crack" / "lone_mask.png")
    assert "1 images are called like masks, and become pieces, for no image lone lies" in output(
        tmp_path, "folders", source
    )


def test_images_without_annotations_and_categories_without_images_are_counted(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "coco")
    content = json.loads(path.read_text())
    content["categories"].append({"id": 9, "name": "stain"})
    path.write_text(json.dumps(content))
    said = output(tmp_path, "coco", path)
    assert f"{NUM} images without an annotation count as good; leave out those that nobody looked at" in said
    assert "no annotation is of stain" in said


def test_a_file_that_coco_lists_twice_is_refused(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "coco")
    content = json.loads(path.read_text())
    content["images"].append({**content["images"][1], "id": 999})
    path.write_text(json.dumps(content))
    assert "2 images have the file 1.png: one without annotations would count as good" in refusal(
        tmp_path, "coco", path
    )


def test_images_of_yolo_without_labels_and_names_without_labels_are_counted(tmp_path: Path) -> None:
    said = output(tmp_path, "yolo", yolo_folder(tmp_path / "yolo", "names: [crack, dent, stain]"))
    half = NUM // 2
    assert f"{NUM} images without a label count as good ({half} have no label file, {half} an empty one)" in said
    assert "no label is of stain" in said


def test_rows_of_one_recording_are_one_piece_with_the_classes_of_all(tmp_path: Path) -> None:
    for number in range(2 * NUM):
        picture(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{'crack' if number % 2 else 'ok'}" for number in range(2 * NUM)]
    (tmp_path / "labels.csv").write_text("\n".join(["photo,label", *rows, rows[0], "1.png,stain"]) + "\n")
    given = ("csv", tmp_path / "labels.csv", "--image", "top=photo", "--label", "label")
    said = output(tmp_path, *given)
    assert f"2 entries name recordings that an earlier one names, the first: labels.csv:{2 * NUM + 2}: " in said
    pieces = read_manifest(tmp_path / "set" / "manifest.jsonl")
    assert len(pieces) == 2 * NUM
    assert {row.defects for row in pieces if row.images[0].path == "../1.png"} == {("crack", "stain")}


@pytest.mark.parametrize("piece", [(), ("--piece", "part")])
def test_a_recording_that_is_ok_in_one_row_and_nok_in_another_is_refused(tmp_path: Path, piece: tuple[str]) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("photo,label,part\na.png,ok,1\na.png,crack,1\n")
    said = refusal(tmp_path, "csv", tmp_path / "labels.csv", "--image", "top=photo", "--label", "label", *piece)
    assert "are the same recording, ok in one and nok in the other; correct one, or remove it" in said
    assert "labels.csv:3: " in said


def test_uncertain_labels_are_counted_with_the_key_that_lets_them_teach(tmp_path: Path) -> None:
    for number in range(2 * NUM):
        picture(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{(0, 0.33, 1)[number % 3]}" for number in range(2 * NUM)]
    (tmp_path / "labels.csv").write_text("\n".join(["photo,prob", *rows]) + "\n")
    said = output(tmp_path, "csv", tmp_path / "labels.csv", "--image", "top=photo", "--probability", "prob")
    assert f"{2 * NUM // 3} pieces (defect_probability 0.33: {2 * NUM // 3}) have no certain label" in said
    assert 'write uncertain_labels = "soft" into a training configuration' in said
