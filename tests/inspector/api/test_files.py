"""From Python, recordings whose file does not say all are judged as a manifest with the same words has them judged."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector import Inspector, RawImage, SignalFile
from inspector.api import InputError
from inspector.api.pieces import ImageInput, SignalInput
from tests.bundles import Toy, write_toy_bundle

RATE_HZ, NUM_SAMPLES = 100.0, 16
IMAGE = np.full((8, 8), 60, np.uint8)
IMAGE[4:] += 2
HUM = (0.01 * np.cos(np.arange(NUM_SAMPLES) * np.pi)).astype(np.float32)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    return Inspector.from_pretrained(write_toy_bundle(tmp_path_factory.mktemp("files") / "toy", Toy()))


def test_raw_pixels_are_judged_as_the_image_that_they_are(inspector: Inspector, tmp_path: Path) -> None:
    raw = tmp_path / "a.raw"
    raw.write_bytes(IMAGE.tobytes())
    forms: list[ImageInput] = [
        RawImage(raw, "MONO8", 8, 8),
        RawImage(IMAGE.tobytes(), "MONO8", 8, 8),
        *(cv2.imencode(suffix, IMAGE)[1].tobytes() for suffix in (".png", ".tif", ".bmp")),
    ]
    scores = {inspector.inspect({"top": form}, {"mic": (HUM, RATE_HZ)}).score for form in [IMAGE, *forms]}
    assert len(scores) == 1


def test_a_mosaic_in_a_grey_file_is_the_mosaic_without_a_header(inspector: Inspector, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mosaic.png"), IMAGE)
    from_file = inspector.inspect({"top": RawImage(tmp_path / "mosaic.png", "BAYER_RG8")}, {"mic": (HUM, RATE_HZ)})
    from_bytes = inspector.inspect({"top": RawImage(IMAGE.tobytes(), "BAYER_RG8", 8, 8)}, {"mic": (HUM, RATE_HZ)})
    assert from_file.modalities["top"].state == "PRESENT"
    assert from_file.score == from_bytes.score


def test_a_channel_is_chosen_by_its_name_or_by_the_order_of_the_axes(inspector: Inspector, tmp_path: Path) -> None:
    lines = ["x,z", *(f"9.0,{value:.9g}" for value in HUM)]
    (tmp_path / "press.csv").write_text("\n".join(lines))
    np.save(tmp_path / "turned.npy", HUM[np.newaxis, :])
    forms: list[SignalInput] = [
        (HUM, RATE_HZ),
        SignalFile(tmp_path / "press.csv", columns=("z",)),
        SignalFile(tmp_path / "turned.npy", channels_first=True),
    ]
    assert len({inspector.inspect({"top": IMAGE}, {"mic": form}).score for form in forms}) == 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RawImage(b"\0" * 64, "MONO8"), "raw bytes have no header; give width_px and height_px"),
        (RawImage("there-is-none.raw", "MONO8", 8, 8), r"camera top: .*there-is-none\.raw"),
        (RawImage(b"\0" * 64, "MONO7", 8, 8), "camera top: pixels: Input should be 'MONO8'"),  # type: ignore[arg-type]
        (RawImage(b"\0" * 63, "MONO8", 8, 8), "63"),
    ],
)
def test_what_the_line_would_refuse_is_refused_with_the_reason(
    inspector: Inspector, image: RawImage, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        inspector.inspect({"top": image})


def test_a_column_that_is_not_there_is_named(inspector: Inspector, tmp_path: Path) -> None:
    (tmp_path / "press.csv").write_text("x,z\n1,2\n3,4\n")
    with pytest.raises(InputError, match=r"sensor mic: .*press\.csv.*'y'"):
        inspector.inspect({"top": IMAGE}, {"mic": SignalFile(tmp_path / "press.csv", columns=("y",))})
