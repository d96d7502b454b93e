"""`inspector data check` lists everything that is wrong with a data set, by line and piece, with a remedy."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli.data import data
from inspector.dataset.check.report import DataReport
from inspector.dataset.check.run import check_data
from inspector.dataset.manifest import ManifestError
from tests.inspector.dataset.own_data import Row, data_set
from tests.inspector.dataset.sample_files import image_file, npy, wav, with_value


def texts(report: DataReport) -> list[str]:
    return [f"{finding.severity} {report.said(finding)}" for finding in report.findings]


def test_nothing_is_wrong_with_a_whole_set(tmp_path: Path) -> None:
    report = check_data(data_set(tmp_path))
    assert texts(report) == []
    assert (len(report.rows), report.num_groups, report.num_files) == (54, 54, 108)
    assert report.counts["crack"] == {"train": 6, "calibration": 6, "test": 6}


def test_the_folder_of_a_manifest_may_be_named_instead(tmp_path: Path) -> None:
    data_set(tmp_path)
    assert len(check_data(tmp_path).rows) == 54
    (tmp_path / "manifest.jsonl").rename(tmp_path / "m.jsonl")
    with pytest.raises(ManifestError, match=r"without manifest.jsonl; name one of m.jsonl"):
        check_data(tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        check_data(tmp_path / "gone.jsonl")


def test_all_bad_files_are_listed_at_once(tmp_path: Path) -> None:
    manifest = data_set(tmp_path)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    (tmp_path / lines[0]["images"][0]["path"]).unlink()
    lines[1]["images"][0]["path"] = "pictures\\a.png"
    lines[2]["signals"][0]["path"] = "nan.npy"
    (tmp_path / "nan.npy").write_bytes(npy(with_value(np.nan)))
    lines[3]["signals"][0]["path"] = "turned.npy"
    (tmp_path / "turned.npy").write_bytes(npy(np.zeros((2, 4000), np.float32)))
    (tmp_path / lines[4]["images"][0]["path"]).write_text("no picture")
    lines[5]["signals"][0]["sample_rate_hz"] = 8000.0
    manifest.write_text("\n".join(map(json.dumps, lines)))
    found = texts(check_data(manifest))
    for line, part in enumerate(
        ("does not exist", "write / for \\", "is nan", "looks transposed", "the data begin with", "16000 Hz, the"), 1
    ):
        assert any(f"manifest.jsonl:{line}: piece train-ok-{line - 1}: " in text and part in text for text in found)
    assert len([text for text in found if text.startswith("error")]) == 6


def other_rate(rows: list[Row]) -> None:
    rows[3]["signals"][0].update(path="slow.npy", sample_rate_hz=8000.0)


def stereo(rows: list[Row]) -> None:
    rows[3]["signals"][0]["path"] = "stereo.npy"


def short(rows: list[Row]) -> None:
    rows[3]["signals"][0]["path"] = "short.npy"


def colour(rows: list[Row]) -> None:
    rows[3]["images"][0]["path"] = "colour.png"


def other_kind(rows: list[Row]) -> None:
    rows[3]["signals"][0]["kind"] = "vibration"


def mask_of_another_size(rows: list[Row]) -> None:
    rows[6].update(mask="mask.png")
    rows[3]["images"] = rows[3]["images"]


@pytest.mark.parametrize(
    ("change", "line", "text"),
    [
        (other_rate, 4, "has 8000 Hz, 53 others of sensor mic have 16000 Hz"),
        (stereo, 4, "has 2 channel(s), 53 others of sensor mic have 1 channel(s)"),
        (short, 4, "lasts 0.125 s, 53 others of sensor mic last 0.25 s"),
        (colour, 4, "has 3 channel(s), 53 others of camera top have 1 channel(s)"),
        (other_kind, 4, "has the kind vibration, 53 others of sensor mic have the kind audio"),
        (mask_of_another_size, 7, "has 8 x 4 px, its image 80 x 80 px"),
    ],
)
def test_a_recording_that_differs_from_the_others_of_its_source_is_named(
    tmp_path: Path, change: Callable[[list[Row]], None], line: int, text: str
) -> None:
    noise = np.random.default_rng(1)
    (tmp_path / "slow.npy").write_bytes(npy(noise.normal(size=(2000, 1)).astype(np.float32)))
    (tmp_path / "stereo.npy").write_bytes(npy(noise.normal(size=(4000, 2)).astype(np.float32)))
    (tmp_path / "short.npy").write_bytes(npy(noise.normal(size=(2000, 1)).astype(np.float32)))
    (tmp_path / "colour.png").write_bytes(image_file(".png", noise.integers(0, 255, (80, 80, 3), np.uint8)))
    (tmp_path / "mask.png").write_bytes(image_file(".png", np.zeros((4, 8), np.uint8)))
    found = texts(check_data(data_set(tmp_path, change)))
    assert any(f"manifest.jsonl:{line}: piece" in one and text in one for one in found), found


def doubled(rows: list[Row]) -> None:
    rows.append(rows[0])


def good_with_defect(rows: list[Row]) -> None:
    rows[0]["defects"] = ["crack"]


def mistyped(rows: list[Row]) -> None:
    rows[0]["lable"] = "ok"


def both_labels(rows: list[Row]) -> None:
    rows[6]["images"] = rows[0]["images"]
    rows[6]["groups"] = rows[0]["groups"]


def crossing_group(rows: list[Row]) -> None:
    rows[20]["groups"] = rows[0]["groups"]


def without_groups(rows: list[Row]) -> None:
    rows[0]["groups"] = {}


def without_twelve_groups(rows: list[Row]) -> None:
    for row in rows[:12]:
        row["groups"] = {}


def crossing_file(rows: list[Row]) -> None:
    rows[20]["images"] = rows[0]["images"]


def few_parts(rows: list[Row]) -> None:
    for row in rows[6:12]:
        row["groups"] = {"part": "one"}


def no_test(rows: list[Row]) -> None:
    rows[36:] = []


def one_group(rows: list[Row]) -> None:
    for row in rows[:18]:
        row["groups"] = {"part": "one"}


def blank_camera(rows: list[Row]) -> None:
    for row in rows:
        row["images"][0]["camera"] = "Kamera 1"


def long_id(rows: list[Row]) -> None:
    rows[0]["piece_id"] = "ä" * 100


def two_recordings(rows: list[Row]) -> None:
    rows[0]["signals"] = [rows[0]["signals"][0], {**rows[0]["signals"][0], "path": "second.wav"}]


def no_labels(rows: list[Row]) -> None:
    for row in rows:
        row.update(label="unknown", defects=[], modality_labels={})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (doubled, "error manifest.jsonl:55: lines 1 and 55 both have piece_id 'train-ok-0'"),
        (good_with_defect, "error manifest.jsonl:1: piece train-ok-0: piece 'train-ok-0' is labelled ok and has"),
        (mistyped, "error manifest.jsonl:1: lable = 'ok': is not a known key; did you mean 'label'?"),
        (both_labels, "warning 1 recordings are labelled ok and nok"),
        (crossing_group, "error 1 groups or files are in more than one split, first group part=train-ok-0"),
        (without_groups, "error manifest.jsonl:1: piece train-ok-0: 1 of 54 pieces have no groups"),
        (crossing_file, "error 1 groups or files are in more than one split, first file train-ok-0.png"),
        (few_parts, "(crack 1 in train, 6 in calibration, 6 in test)"),
        (no_test, "warning split test lacks pieces labelled ok or nok"),
        (one_group, "error split train has recordings of one group only of mic"),
        (blank_camera, "error camera 'Kamera 1': line and bundle refuse this name"),
        (long_id, f"error manifest.jsonl:1: piece {'ä' * 100}: piece_id"),
        (two_recordings, "warning manifest.jsonl:1: piece train-ok-0: has 2 recordings of sensor mic, of which only"),
        (no_labels, "error split train needs pieces labelled ok and nok, it has 18 pieces, 0 labelled ok"),
    ],
)
def test_each_fault_of_a_manifest_is_said(tmp_path: Path, change: Callable[[list[Row]], None], text: str) -> None:
    found = texts(check_data(data_set(tmp_path, change)))
    assert any(text in one for one in found), found


@pytest.mark.parametrize(
    ("to_split", "to_part", "text"),
    [
        ("test", "new", "error 1 recordings are in more than one split under several names"),
        ("train", "new", "warning 1 recordings occur in several groups"),
        ("train", "train-ok-0", None),
    ],
)
def test_copies_are_found_by_content(tmp_path: Path, to_split: str, to_part: str, text: str | None) -> None:
    def copied(rows: list[Row]) -> None:
        rows.append({**rows[0], "piece_id": "copy", "split": to_split, "groups": {"part": to_part}})
        rows[-1].update(images=[{"camera": "top", "path": "copy.png"}], signals=[])

    data_set(tmp_path)
    (tmp_path / "copy.png").write_bytes((tmp_path / "train-ok-0.png").read_bytes())
    report = check_data(data_set(tmp_path, copied))
    found = [one for one in texts(report) if "recordings" in one]
    assert len(found) == (text is not None)
    assert all(str(text) in one for one in found)
    if text:
        assert report.places(report.findings[0]) == [
            "manifest.jsonl:1: piece train-ok-0",
            "manifest.jsonl:55: piece copy",
        ]


def test_good_pieces_alone_are_well_and_the_command_that_takes_them_is_named(tmp_path: Path) -> None:
    def good(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if row["label"] == "ok"]

    result = CliRunner().invoke(data, ["check", str(data_set(tmp_path, good))])
    assert result.exit_code == 0, result.output
    assert "good pieces alone: `inspector fit --good-only` takes them" in result.output


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-16", "is UTF-16, little-endian, as Notepad's"), ("utf-16-be", "is UTF-16 without a byte order mark")],
)
def test_a_manifest_in_utf_16_is_said_in_one_sentence(tmp_path: Path, encoding: str, text: str) -> None:
    manifest = data_set(tmp_path)
    manifest.write_text(manifest.read_text(), encoding=encoding)
    with pytest.raises(ManifestError, match="save it as UTF-8") as caught:
        check_data(manifest)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_crlf_are_noted_and_are_no_fault(tmp_path: Path) -> None:
    manifest = data_set(tmp_path)
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes().replace(b"\n", b"\r\n"))
    result = CliRunner().invoke(data, ["check", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "note: manifest.jsonl begins with a byte order mark, which is ignored" in result.output
    assert "note: manifest.jsonl has the line ends of Windows (CRLF)" in result.output


def test_the_command_ends_with_all_is_well_and_the_counts(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["check", str(data_set(tmp_path))])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == (
        "All is well: 54 pieces in 54 groups, 108 files; ok 6/6/6; crack 6/6/6; dent 6/6/6 in train/calibration/test"
    )


def test_the_command_ends_with_exit_code_1_and_names_all_places_on_demand(tmp_path: Path) -> None:
    manifest = str(data_set(tmp_path, one_group))
    result = CliRunner().invoke(data, ["check", manifest])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].endswith("in 54 pieces in 37 groups, 108 files")
    without = str(data_set(tmp_path, without_twelve_groups))
    assert "and 2 more: --all names them" in CliRunner().invoke(data, ["check", without]).stdout
    assert "manifest.jsonl:12: piece train-crack-5" in CliRunner().invoke(data, ["check", without, "--all"]).stdout


def test_a_warning_alone_is_exit_code_1_unless_it_is_allowed(tmp_path: Path) -> None:
    manifest = str(data_set(tmp_path, few_parts))
    assert CliRunner().invoke(data, ["check", manifest]).exit_code == 1
    assert CliRunner().invoke(data, ["check", manifest, "--warnings-ok"]).exit_code == 0


def test_labels_of_a_training_configuration_count(tmp_path: Path) -> None:
    def unlabelled(rows: list[Row]) -> None:
        for row in rows:
            row["modality_labels"] = {}

    manifest = str(data_set(tmp_path, unlabelled))
    assert "no label for mic alone" in CliRunner().invoke(data, ["check", manifest]).output
    (tmp_path / "train.toml").write_text('[labels]\ncrack = ["top", "mic"]\ndent = ["top", "mic"]\n')
    result = CliRunner().invoke(data, ["check", manifest, "--config", str(tmp_path / "train.toml")])
    assert result.exit_code == 0, result.output
    (tmp_path / "train.toml").write_text('[labels]\ncrak = ["top"]\n')
    result = CliRunner().invoke(data, ["check", manifest, "--config", str(tmp_path / "train.toml")])
    assert "names the class 'crak', which the manifest does not have: did you mean 'crack'?" in result.output


def test_the_report_is_one_json_object(tmp_path: Path) -> None:
    manifest = data_set(tmp_path, without_groups)
    (tmp_path / "train-ok-3.wav").write_bytes(wav()[:30])
    result = CliRunner().invoke(data, ["check", str(manifest), "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["well"] is False
    assert report["counts"]["dent"] == {"train": 6, "calibration": 6, "test": 6}
    pieces = [finding["pieces"] for finding in report["findings"] if finding["severity"] == "error"]
    assert pieces == [[{"piece_id": "train-ok-3", "line": 4}], [{"piece_id": "train-ok-0", "line": 1}]]


def test_progress_counts_the_files(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    check_data(data_set(tmp_path), lambda *state: seen.append(state))
    assert seen[0] == ("files", 1, 108)
    assert seen[-1] == ("files", 108, 108)
