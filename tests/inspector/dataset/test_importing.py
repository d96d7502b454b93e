"""Data sets in common forms become manifests with which all is well; what is unclear is asked for."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset.check.run import check_data
from inspector.dataset.files import read_mask
from inspector.dataset.importing.table import Columns, table
from inspector.dataset.manifest import PieceRow, read_manifest
from tests.inspector.dataset.import_sources import NUM, RNG, SIZE, class_folders, coco_file, picture, run, yolo_folder
from tests.inspector.dataset.sample_files import image_file, npy, wav


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(RNG.integers(-9000, 9000, 4000).astype("<i2").tobytes()))


def imported(folder: Path, *arguments: str | Path) -> list[PieceRow]:
    """The rows of a new manifest, after all is found well with it."""
    result = run(*arguments, "--out", folder / "set")
    assert result.exit_code == 0, result.output
    report = check_data(folder / "set")
    assert [str(finding) for finding in report.findings] == []
    assert f"inspector data check {folder / 'set' / 'manifest.jsonl'}" in result.output
    return read_manifest(folder / "set" / "manifest.jsonl")


def splits(rows: Sequence[PieceRow]) -> set[str]:
    return {row.split for row in rows}


def test_folders_become_classes_and_good_is_found_by_its_name(tmp_path: Path) -> None:
    given = ("--camera", "top", "--group-by", r"(?P<lot>\w+/lot\d+)", "--shares", "1/1/1")
    rows = imported(tmp_path, "folders", class_folders(tmp_path), *given)
    assert len(rows) == 3 * NUM
    assert splits(rows) == {"train", "calibration", "test"}
    assert (rows[0].piece_id, rows[0].label, rows[0].defects) == ("crack-lot0-0", "nok", ("crack",))
    assert rows[0].images[0].path == "../in/crack/lot0/0.png"
    assert rows[0].groups == {"lot": "crack/lot0"}
    assert {row.label for row in rows if not row.defects} == {"ok"}


def test_without_groups_each_file_is_one_and_a_warning_says_so(tmp_path: Path) -> None:
    result = run("folders", class_folders(tmp_path), "--out", tmp_path / "set")
    assert "WARNING: each file is a group of its own" in result.output
    assert "90 pieces with 90 recordings, in groups by file (90)" in result.output
    by_folder = run("folders", tmp_path / "in", "--out", tmp_path / "other", "--group-by", "folder")
    assert "WARNING" not in by_folder.output
    assert "in groups by folder (45)" in by_folder.output


def test_which_class_is_good_is_asked_for_where_that_is_unclear(tmp_path: Path) -> None:
    source = class_folders(tmp_path, ("Crazing", "Patches"))
    result = run("folders", source, "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert "say with --good NAME which one counts as good: Crazing (30), Patches (30)" in result.output
    assert "no class is called Crasing; classes are" in run("folders", source, "--out", "x", "--good", "Crasing").output
    rows = imported(tmp_path, "folders", source, "--good", "Crazing")
    assert {row.defects for row in rows if row.label == "nok"} == {("Patches",)}


def test_classes_one_folder_deeper_are_shown_with_the_command_for_them(tmp_path: Path) -> None:
    for bearing in ("b1", "b2", "b3"):
        for name in ("normal", "worn"):
            sound(tmp_path / "in" / bearing / name / "1.wav")
    said = run("folders", tmp_path / "in", "--out", tmp_path / "set")
    assert said.exit_code == 1
    assert "are the classes one folder deeper (normal (3), worn (3))?" in said.output
    pattern = "(?P<part>[^/]+)/(?P<label>[^/]+)/.+"
    assert f"inspector data import recordings {tmp_path / 'in'} --pattern '{pattern}'" in said.output
    done = run("recordings", tmp_path / "in", "--pattern", pattern, "--out", tmp_path / "set")
    assert "in groups by part (3)" in done.output


def test_raw_pixels_are_imported_with_their_packing(tmp_path: Path) -> None:
    for name in ("good", "crack"):
        for number in range(NUM):
            path = tmp_path / "in" / name / f"{number}.raw"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(RNG.integers(0, 255, SIZE, np.uint8).tobytes())
    said = run("folders", tmp_path / "in", "--out", tmp_path / "set")
    assert (said.exit_code, "has no header; say how its pixels are packed: --pixels" in said.output) == (1, True)
    forms = ("--pixels", "MONO8", "--size", "100x80", "--group-by", r"(\d+)\.")
    row = imported(tmp_path, "folders", tmp_path / "in", *forms)[0]
    assert (row.images[0].pixels, row.images[0].width_px, row.images[0].height_px) == ("MONO8", 100, 80)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--columns", "x"), "--columns is for .csv, .tdms, and there are only .wav"),
        (("--channels-first",), "--channels-first is for .npy"),
        (("--bit-depth", "12"), "--bit-depth is for"),
        (("--rate", "44100"), "states 16000 Hz, --rate says 44100 Hz"),
    ],
)
def test_an_option_that_concerns_no_file_is_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    for name in ("good", "worn"):
        sound(tmp_path / "in" / name / "1.wav")
    said = run("folders", tmp_path / "in", *options, "--out", tmp_path / "set")
    assert (said.exit_code, message in said.output) == (1, True), said.output


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    source = class_folders(tmp_path, ("good", "crack"))
    (tmp_path / "split" / "val").mkdir(parents=True)
    source.rename(tmp_path / "split" / "train")
    picture(tmp_path / "split" / "val" / "good" / "x.png")
    rows = imported(tmp_path, "folders", tmp_path / "split")
    assert {row.defects for row in rows} == {(), ("crack",)}


def test_masks_beside_pictures_are_masks_and_no_pictures(tmp_path: Path) -> None:
    source = class_folders(tmp_path)
    mask = image_file(".png", np.full(SIZE, 255, np.uint8))
    for name in ("crack", "dent"):
        for i in range(NUM):
            (source / name / f"lot{i // 2}" / f"{i}_mask.png").write_bytes(mask)
    rows = imported(tmp_path, "folders", source)
    assert len(rows) == 3 * NUM
    assert {bool(row.mask) for row in rows if row.defects} == {True}
    assert rows[0].mask == "../in/crack/lot0/0_mask.png"


def test_recordings_are_copied_on_demand_and_no_manifest_is_overwritten(tmp_path: Path) -> None:
    rows = imported(tmp_path, "folders", class_folders(tmp_path), "--copy")
    assert rows[0].images[0].path == "files/crack/lot0/0.png"
    assert (tmp_path / "set" / "files" / "crack" / "lot0" / "0.png").is_file()
    result = run("folders", tmp_path / "in", "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert "exists already; name a new folder" in result.output


def test_a_set_of_mvtec_has_masks_and_is_divided_anew(tmp_path: Path) -> None:
    screw = tmp_path / "mvtec" / "screw"
    for i in range(NUM):
        picture(screw / "train" / "good" / f"{i:03}.png")
        for name in ("thread", "scratch"):
            picture(screw / "test" / name / f"{i:03}.png")
            mask = np.zeros(SIZE, np.uint8)
            mask[:4, :9] = 255
            place = screw / "ground_truth" / name / f"{i:03}_mask.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(image_file(".png", mask))
    rows = imported(tmp_path, "mvtec", screw, "--camera", "top")
    bad = [row for row in rows if row.label == "nok"]
    assert {row.defects for row in bad} == {("scratch",), ("thread",)}
    assert len([row for row in rows if row.label == "ok"]) == NUM
    assert np.count_nonzero(read_mask(tmp_path / "set" / str(bad[0].mask))) == 36
    assert "name one of its sets: screw" in run("mvtec", tmp_path / "mvtec", "--out", "x").output


def test_boxes_polygons_and_runs_of_coco_become_the_same_mask(tmp_path: Path) -> None:
    rows = imported(tmp_path, "coco", coco_file(tmp_path / "coco"))
    expected = np.zeros(SIZE, np.uint8)
    expected[10:20, 30:50] = 255
    masks = [row.mask for row in rows if row.mask]
    assert len(masks) == 2 * NUM
    for mask in masks:
        np.testing.assert_array_equal(read_mask(tmp_path / "set" / mask), expected)
    assert {row.defects for row in rows} == {(), ("crack",), ("dent",)}


def image(number: int, name: str = "1.png", side: int = 100) -> dict[str, object]:
    return {"id": number, "file_name": name, "width": side, "height": side}


def box(number: int | str, bbox: tuple[int, ...] = (30, 10, 20, 10)) -> dict[str, object]:
    return {"image_id": number, "category_id": 1, "bbox": bbox}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": []}, "an annotation has category 1, which is not listed"),
        ({"images": [image(0, "gone.png")], "annotations": []}, "image gone.png is in none of"),
        (
            {"images": [image(0, "C:\\p\\1.png")], "annotations": []},
            "; write its name with / for \\, below that folder",
        ),
        ({"images": [image(1, side=10**6)], "annotations": [box(1)]}, "has more than 64000000 px"),
        ({"images": 3}, "images: Input should be a valid array; expected a COCO file"),
        ({"annotations": [box(999)]}, "of image 999, which is not listed: its image would count as good"),
        ({"annotations": [box("1")]}, "of image '1', which is not listed (image 1 is)"),
        ({"images": [image(1), image(1)]}, "2 images have the id 1"),
        ({"annotations": [box(1, bbox=(10, 10, -5, 20))]}, "image 1.png: a box of -5 x 20 px at 10, 10; correct"),
        ({"annotations": [box(1, bbox=(900, 900, 5, 20))]}, "a shape from 900, 900 to 905, 920 px lies outside of"),
    ],
)
def test_a_coco_file_that_cannot_be_used_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = coco_file(tmp_path / "coco")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    result = run("coco", path, "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize(
    "names", ["names: ['crack', dent]", "names:\n  0: crack\n  1: 'dent'  # a dent", "names:\n- crack\n- dent"]
)
def test_boxes_and_polygons_of_yolo_become_masks(tmp_path: Path, names: str) -> None:
    rows = imported(tmp_path, "yolo", yolo_folder(tmp_path / "yolo", names))
    assert {row.defects for row in rows} == {(), ("crack",), ("dent",)}
    expected = np.zeros(SIZE, np.uint8)
    expected[10:20, 30:50] = 255
    for row in rows:
        if row.mask:
            np.testing.assert_array_equal(read_mask(tmp_path / "set" / row.mask), expected)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7 0.5 0.5 0.1 0.1", "class 7 is none of the 2 classes"),
        ("0 0.5 0.5 0 0", "a box of 0 x 0 of the picture has no area; correct it, or remove the line"),
        ("0 50 50 10 10", "has the number 50, expected shares of the picture"),
        ("0 0.5 0.5", "has 2 numbers behind the class, expected 4"),
        ("0 0.5 0.5 0.1 0.1 0.9", "leave out the confidence at its end"),
        ("crack 0.5 0.5 0.1 0.1", "expected a class and numbers"),
    ],
)
def test_a_line_of_yolo_that_means_nothing_is_named_with_its_mistake(tmp_path: Path, line: str, message: str) -> None:
    folder = yolo_folder(tmp_path / "yolo", "names: [crack, dent]")
    (folder / "labels" / "train" / "1.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    result = run("yolo", folder, "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert "1.txt:2: " in result.output
    assert message in result.output


def test_labels_without_an_image_of_their_name_are_refused_and_a_readme_is_not(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path / "yolo", "names: [crack, dent]")
    (folder / "labels" / "train" / "readme.txt").write_text("labelled on Monday\n")
    assert run("yolo", folder, "--out", tmp_path / "set").exit_code == 0
    (folder / "labels" / "train" / "renamed.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    result = run("yolo", folder, "--out", tmp_path / "other")
    assert result.exit_code == 1
    assert "renamed.txt: has labels, and no image of its name is there (1 such file(s))" in result.output


def test_a_data_yaml_whose_names_cannot_be_read_is_named(tmp_path: Path) -> None:
    result = run("yolo", yolo_folder(tmp_path / "yolo", "names: [crack,"), "--out", tmp_path / "set")
    assert "data.yaml: has no list of names that can be read; give them with --names" in result.output


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_labels_gives_pieces_with_pictures_and_sounds(tmp_path: Path, separator: str) -> None:
    rows = [["Teil", "Foto", "Ton", "Ergebnis", "Los"]]
    for i in range(2 * NUM):
        picture(tmp_path / "in" / "p" / f"{i}.png")
        sound(tmp_path / "in" / "s" / f"{i}.wav")
        rows.append([f"T{i}", f"p/{i}.png", f"s/{i}.wav", "i.O." if i % 2 else "Riss", f"L{i // 2}"])
    text = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "in" / "labels.csv").write_text("\ufeff" + text, encoding="utf-8")
    result = run(
        *("csv", tmp_path / "in" / "labels.csv", "--out", tmp_path / "set", "--image", "top=Foto"),
        *("--signal", "mic=Ton", "--label", "Ergebnis", "--piece", "Teil", "--group", "Los"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (row, *_) = read_manifest(tmp_path / "set" / "manifest.jsonl")
    assert (row.piece_id, row.label, row.defects, row.groups) == ("T0", "nok", ("Riss",), {"Los": "L0"})
    assert (row.images[0].camera, row.signals[0].sensor, row.signals[0].sample_rate_hz) == ("top", "mic", 16_000)
    report = check_data(tmp_path / "set")
    assert report.num_errors == 0
    assert {finding.kind for finding in report.findings} == {"labels"}  # no label for the microphone alone
    wrong = run("csv", tmp_path / "in" / "labels.csv", "--out", "x", "--image", "top=Bild", "--label", "Ergebnis")
    assert "has no column 'Bild'; it has Teil, Foto, Ton, Ergebnis, Los" in wrong.output


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no row below its line of names"),
        (["0.png,ok"], "labels.csv:2: has 2 cells, the line of names 3; complete the line"),
        (["0.png,ok,7", "1.png,oil, and dirt,7"], "labels.csv:3: has 4 cells, the line of names 3"),
        (["p\\0.png,ok,7"], "1 file(s) do not exist; write / for \\ in the paths:"),
        (["0.png,ok,7", '"1.png,ok,7'], "look for a quotation mark without its pair"),
    ],
)
def test_a_table_with_a_row_of_other_cells_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(["photo,result,lot", *rows]) + "\n")
    given = ("--image", "top=photo", "--label", "result", "--out", tmp_path / "set")
    result = run("csv", tmp_path / "labels.csv", *given)
    assert result.exit_code == 1
    assert message in result.output


def test_files_of_a_table_that_are_gone_are_listed_with_their_rows(tmp_path: Path) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "labels.csv").write_text("photo,result\n0.png,ok\n1.png,ok\n0.png,nok\n3.png,nok\n")
    given = ("--image", "top=photo", "--label", "result", "--out", tmp_path / "set")
    result = run("csv", tmp_path / "labels.csv", *given)
    assert result.exit_code == 1
    assert "2 file(s) do not exist; correct the table, or restore the files" in result.output
    assert f"labels.csv:3: {tmp_path / '1.png'}\nlabels.csv:5: {tmp_path / '3.png'}" in result.output
    assert not (tmp_path / "set").exists()


def test_a_mistyped_label_of_a_table_without_classes_in_its_row_is_seen_in_the_counts(tmp_path: Path) -> None:
    lines = ["photo,result,classes"]
    for i, (label, classes) in enumerate([("ok", ""), ("okk", ""), ("nok", "dent|hole"), ("nok", "")]):
        picture(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{label},{classes}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    columns = Columns({"top": "photo"}, "result", defects="classes")
    found = [(item.label, item.defects) for item in table(tmp_path / "labels.csv", columns, ())]
    assert found == [("ok", ()), ("nok", ("okk",)), ("nok", ("dent", "hole")), ("nok", ())]


@pytest.mark.parametrize("suffix", [".wav", ".npy", ".csv"])
def test_names_of_recordings_say_label_and_group(tmp_path: Path, suffix: str) -> None:
    for label in ("ok", "bearing"):
        for i in range(NUM):
            path = tmp_path / "in" / f"m{i // 2}{label[0]}_{label}_{i}{suffix}"
            path.parent.mkdir(exist_ok=True)
            if suffix == ".wav":
                sound(path)
            elif suffix == ".npy":
                path.write_bytes(npy(RNG.normal(size=(2, 900)).astype(np.float32)))
            else:
                path.write_text(
                    "x;y\n" + "\n".join(f"{a:.3f};{b:.3f}".replace(".", ",") for a, b in RNG.normal(size=(500, 2)))
                )
    (tmp_path / "in" / f"notes{suffix}").write_text("nothing")
    extra = () if suffix == ".wav" else ("--rate", "25600", "--kind", "vibration")
    turned = {".npy": ("--channels-first",), ".csv": ("--columns", "y")}.get(suffix, ())
    pattern = r"(?P<motor>\w+)_(?P<label>\w+)_\d+"
    rows = imported(
        *(tmp_path, "recordings", tmp_path / "in", "--pattern", pattern, "--sensor", "acc"),
        *(*extra, *turned, "--shares", "1/1/1"),
    )
    assert len(rows) == 2 * NUM
    assert {row.defects for row in rows if row.label == "nok"} == {("bearing",)}
    assert rows[0].groups == {"motor": "m0b"}
    assert rows[0].signals[0].sample_rate_hz == (16_000 if suffix == ".wav" else 25_600)
    if suffix != ".wav":
        missing = run("recordings", tmp_path / "in", "--pattern", pattern, "--out", tmp_path / "x", *turned)
        assert "does not state its sample rate: give it with --rate HZ" in missing.output


def test_files_that_do_not_match_are_counted_and_sensors_of_one_piece_are_joined(tmp_path: Path) -> None:
    for i in range(NUM):
        for place in ("left", "right"):
            sound(tmp_path / "in" / ("ok" if i % 2 else "leak") / f"{i}-{place}.wav")
    sound(tmp_path / "in" / "stray.wav")
    pattern = r"(?P<label>\w+)/(?P<piece>(?P<part>\d+))-(?P<sensor>\w+)"
    result = run("recordings", tmp_path / "in", "--pattern", pattern, "--out", tmp_path / "set")
    assert "1 files do not match the pattern and are left out, the first" in result.output
    rows = read_manifest(tmp_path / "set" / "manifest.jsonl")
    assert len(rows) == NUM
    assert [signal.sensor for signal in rows[0].signals] == ["left", "right"]
    none = run("recordings", tmp_path / "in", "--pattern", r"(?P<label>\d+)", "--out", tmp_path / "x")
    assert "no file matches --pattern" in none.output


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?P<motor>\w+)/(?P<label>\w+)/(?P<piece>\d+)", "are of motor m1 and m2"),
        (r"\w+/(?P<label>\w+)/(?P<piece>\d+)", "are of one sensor"),
    ],
)
def test_a_number_that_begins_anew_in_every_folder_is_no_piece_id(tmp_path: Path, pattern: str, message: str) -> None:
    for motor in ("m1", "m2"):
        sound(tmp_path / "in" / motor / "ok" / "7.wav")
    result = run("recordings", tmp_path / "in", "--pattern", pattern, "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert "piece '7': " in result.output
    assert message in result.output
    assert not (tmp_path / "set" / "manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("folders", "gone"), "gone: is no folder"),
        (("recordings", ".", "--pattern", "("), "is no regular expression"),
        (("recordings", ".", "--pattern", r"\w+"), "names nothing: name its parts"),
        (("folders", ".", "--group-by", r"lot\d"), "captures nothing"),
        (("folders", ".", "--group-by", "(?P<image>x)"), "a group called image means all cameras or sensors"),
        (("folders", ".", "--sensor", "Mikrofon 1"), "sensor 'Mikrofon 1': line and bundle refuse this name"),
        (("folders", ".", "--shares", "80/20"), "expected three numbers"),
        (("csv", "gone.csv", "--label", "x", "--image", "top"), "expected NAME=COLUMN"),
        (("csv", "gone.csv", "--label", "x", "--image", "top=a"), "gone.csv: cannot be read"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ok", "nok"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(wav())
    result = run(*arguments, "--out", tmp_path / "set")
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_too_few_groups_leave_all_in_train_and_say_so(tmp_path: Path) -> None:
    class_folders(tmp_path, ("good", "crack"))
    result = run("folders", tmp_path / "in", "--out", tmp_path / "set", "--group-by", "(lot)")
    assert result.exit_code == 0, result.output
    assert "All pieces are in split train: no piece is left for calibration and test" in result.output


def test_a_picture_that_cannot_be_read_does_not_stop_the_import(tmp_path: Path) -> None:
    source = class_folders(tmp_path)
    (source / "good" / "lot0" / "0.png").write_text("no picture")
    assert run("folders", source, "--out", tmp_path / "set").exit_code == 0
    report = check_data(tmp_path / "set")
    assert [finding.pieces for finding in report.findings] == [("good-lot0-0",)]
    assert cv2.imread(str(source / "good" / "lot0" / "1.png")) is not None
