"""Every file is looked at before anything is computed: all bad ones at once, and what to be warned of."""

from pathlib import Path

import numpy as np
import pytest

from inspector.bundle.schema import Modality
from inspector.dataset.bit_depths import bit_depths, demand_bit_depths
from inspector.dataset.findings import MAX_NAMED
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, write_manifest
from inspector.dataset.survey import survey
from streams.join.assembly import BitDepth
from tests.inspector.dataset.sample_files import image_file, npy, oriented, wav, with_value

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def piece(number: int, image: str, signal: str | None = None, depth: BitDepth | None = None) -> PieceRow:
    signals = () if signal is None else (SignalRow(sensor="mic", kind="audio", sample_rate_hz=16_000, path=signal),)
    images = (ImageRow(camera="top", path=image, bit_depth=depth),)
    return PieceRow(piece_id=f"p{number}", split="train", images=images, signals=signals)


def surveyed(folder: Path, rows: list[PieceRow], **files: bytes) -> list[str]:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    write_manifest(folder / "m.jsonl", rows)
    return survey(folder / "m.jsonl", rows)


def test_all_bad_files_are_named_with_piece_and_line(tmp_path: Path) -> None:
    rows = [piece(0, "a.png", "a.wav"), piece(1, "gone.png", "nan.npy"), piece(2, "b.png", "a.wav")]
    with pytest.raises(ManifestError) as caught:
        surveyed(
            tmp_path,
            rows,
            a_png=image_file(".png", GREY),
            b_png=b"GIF89a",
            a_wav=wav(),
            nan_npy=npy(with_value(np.nan)),
        )
    head, *lines = str(caught.value).splitlines()
    assert "3 file(s) cannot be read" in head
    assert [line.partition(": ")[0] for line in lines] == ["m.jsonl:2", "m.jsonl:2", "m.jsonl:3"]
    assert "piece p1: " in lines[0]
    assert "gone.png: does not exist" in lines[0]
    assert "nan.npy: sample 7 of channel 0 is nan" in lines[1]
    assert "b.png: the data begin with 474946383961" in lines[2]


def up_to(brightest: int) -> bytes:
    """A 16-bit picture of two values."""
    pixels = np.full((4, 4), brightest, np.uint16)
    pixels[0, 0] = 1
    return image_file(".png", pixels)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        surveyed(tmp_path, [piece(number, f"{number}.png") for number in range(MAX_NAMED + 5)])
    head, *lines = str(caught.value).splitlines()
    assert f"{MAX_NAMED + 5} file(s) cannot be read, the first {MAX_NAMED} of them" in head
    assert len(lines) == MAX_NAMED


def test_orientations_are_warned_of(tmp_path: Path) -> None:
    plain, turned = image_file(".jpg", GREY), oriented(image_file(".jpg", GREY), 8)
    (warning,) = surveyed(tmp_path, [piece(0, "a.jpg"), piece(1, "b.jpg")], a_jpg=plain, b_jpg=turned)
    assert "camera top: 1 of 2 images have an EXIF orientation (8, " in warning
    assert "pixels are used as stored" in warning
    assert surveyed(tmp_path, [piece(0, "a.jpg")], a_jpg=oriented(plain, 1)) == []


@pytest.mark.parametrize(
    ("brightest", "depth", "message"),
    [(4095, None, "set bit_depth = 12"), (1023, None, "set bit_depth = 10"), (65535, None, ""), (4095, 12, "")],
)
def test_low_pictures_are_warned_of(tmp_path: Path, brightest: int, depth: BitDepth | None, message: str) -> None:
    warnings = surveyed(tmp_path, [piece(0, "a.png", depth=depth)], a_png=up_to(brightest))
    assert message in "".join(warnings)
    assert all("`inspector data import --bit-depth 1" in warning for warning in warnings)
    assert len(warnings) == bool(message)


def test_one_bright_picture_speaks_for_its_camera(tmp_path: Path) -> None:
    files = {"a_png": up_to(99), "b_png": up_to(60_000)}
    assert surveyed(tmp_path, [piece(0, "a.png"), piece(1, "b.png")], **files) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("value", [0, 200])
@pytest.mark.parametrize("shape", [(400, 500), (400, 500, 3)])
def test_a_picture_of_one_value_is_warned_of(tmp_path: Path, suffix: str, value: int, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    files = {"a" + suffix: np.full(shape, value, np.uint8), "b" + suffix: noise}
    for name, pixels in files.items():
        (tmp_path / name).write_bytes(image_file(suffix, pixels))
    (warning,) = surveyed(tmp_path, [piece(0, f"a{suffix}"), piece(1, f"b{suffix}")])
    assert warning.startswith(f"camera top: 1 of 2 images have one value throughout, the first is a{suffix}: ")


def test_a_camera_has_one_bit_depth() -> None:
    assert bit_depths([piece(0, "a.png", depth=12)]) == {"top": 12}
    with pytest.raises(ManifestError, match="camera top has bit_depth None in piece p1 and 12 in others"):
        bit_depths([piece(0, "a.png", depth=12), piece(1, "b.png")])


@pytest.mark.parametrize(
    ("trained", "here", "fits"), [(12, 12, True), (12, None, False), (12, 10, False), (None, 12, True)]
)
def test_a_manifest_of_another_bit_depth_than_the_bundle_is_refused(
    trained: BitDepth | None, here: BitDepth | None, fits: bool
) -> None:
    modalities, rows = [Modality(name="top", kind="image", bit_depth=trained)], [piece(0, "a.png", depth=here)]
    if fits:
        demand_bit_depths(rows, modalities)
    else:
        with pytest.raises(ManifestError, match="and 12 in the bundle"):
            demand_bit_depths(rows, modalities)
