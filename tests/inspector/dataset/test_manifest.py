"""Manifests: reading, writing, and errors for bad lines."""

from pathlib import Path

import pytest

from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, read_manifest, write_manifest

GOOD = '{"piece_id": "a", "split": "test", "groups": {"image": "1"}, "modality_labels": {"image": "nok"}, "mask": null}'


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [
        PieceRow(
            piece_id="a",
            split="train",
            label="nok",
            defects=("crack",),
            images=(ImageRow(camera="top", path="a.png"),),
            signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=16_000, path="a.wav"),),
            groups={"image": "1", "signal": "2"},
        )
    ]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    assert read_manifest(tmp_path / "manifest.jsonl") == rows


def test_one_split_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(GOOD + "\n\n" + GOOD.replace("test", "train").replace('"a"', '"b"') + "\n")
    assert [row.piece_id for row in read_manifest(path)] == ["a", "b"]
    assert [row.piece_id for row in read_manifest(path, "train")] == ["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.jsonl:2"),
        ('{"piece_id": "b"}', "split"),
        ('{"piece_id": "b", "split": "dev"}', "'train', 'calibration' or 'test'"),
        ('{"piece_id": "b", "split": "test", "lable": "ok"}', "lable"),
        ('{"piece_id": "", "split": "test"}', "piece_id"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(f"{GOOD}\n{text}\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert message in str(caught.value)
    assert "manifest.jsonl:2" in str(caught.value)


def test_a_split_without_pieces_and_a_file_that_is_absent_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(path)
    path.write_text(GOOD)
    with pytest.raises(ManifestError, match="no piece of split 'train'"):
        read_manifest(path, "train")


@pytest.mark.parametrize("split", [None, "test", "train"])
def test_two_lines_with_one_piece_id_are_refused_whatever_split_is_asked_for(tmp_path: Path, split: str | None) -> None:
    path = tmp_path / "manifest.jsonl"
    other = GOOD.replace('"a"', '"b"')
    path.write_text("\n".join((GOOD, "", other, GOOD.replace("test", "train"))) + "\n")
    with pytest.raises(ManifestError, match=r"lines 1 and 4 both have piece_id 'a'"):
        read_manifest(path, split)


def test_a_good_piece_with_defects_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(GOOD + '\n{"piece_id": "b", "split": "test", "label": "ok", "defects": ["crack", "dent"]}\n')
    with pytest.raises(
        ManifestError, match=r"manifest.jsonl:2: piece 'b' is labelled ok and has the defects crack, dent"
    ):
        read_manifest(path)


@pytest.mark.parametrize("text", ["plate\u2028B", "lot\u00857", "a\u2029b\x0b"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, text: str) -> None:
    row = PieceRow(piece_id="p", split="test", groups={"lot": text})
    write_manifest(tmp_path / "m.jsonl", [row, row.model_copy(update={"piece_id": "q"})])
    assert [each.groups["lot"] for each in read_manifest(tmp_path / "m.jsonl")] == [text, text]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    line = b'{"piece_id": "p", "split": "test"}\r\n'
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + line)
    assert [row.piece_id for row in read_manifest(tmp_path / "m.jsonl")] == ["p"]
