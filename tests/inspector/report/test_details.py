"""Evidence that a scaled picture does not show is shown at full size."""

from base64 import b64decode

import cv2
import numpy as np
import pytest

from inspector.evaluation.run import Shown
from inspector.report.details import MARGIN_PX, MAX_DETAILS, Part, Region, parts
from inspector.report.media import MAX_SIDE_PX, PictureView, Room, media_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import InspectionId, from_files


def shown(pixels: np.ndarray, *boxes: tuple[int, int, int, int]) -> PictureView:
    piece = from_files(InspectionId("line", "station", "p"), "", [("top", pixels)], ())
    verdict = pb.Verdict()
    image = verdict.images.add(camera="top")
    for x, y, width, height in boxes:
        image.regions.add(x_px=x, y_px=y, width_px=width, height_px=height, strength=0.8)
    (view,) = media_of({"p": Shown(piece, verdict, {})}, Room())["p"].pictures
    return view


def test_a_spot_of_a_strip_is_shown_as_captured_with_its_box() -> None:
    pixels = np.full((20_000, 2_048), 90, np.uint8)
    pixels[10_793:10_803, 987:997] = 255
    (part,) = shown(pixels, (987, 10_793, 10, 10)).details
    _, _, data = part.src.partition(",")
    found = cv2.imdecode(np.frombuffer(b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert found is not None
    assert found.shape == (part.height_px, part.width_px)
    (box,) = part.regions
    left, top = int(box.x) + MARGIN_PX, int(box.y) + MARGIN_PX
    assert found[top : top + 10, left : left + 10].mean() > 240
    assert np.count_nonzero(np.asarray(found) > 200) == pytest.approx(100, abs=20)
    assert part.words.endswith(f"from x {987 - left}, y {10_793 - top} px")


def test_what_the_scaled_picture_shows_needs_no_part() -> None:
    assert shown(np.zeros((400, 480), np.uint8), (10, 10, 4, 4)).details == ()
    assert shown(np.zeros((4_000, 4_800), np.uint8), (10, 10, 150, 90)).details == ()


def test_regions_near_each_other_share_a_part_and_parts_are_few() -> None:
    near = [Region(100, 100, 8, 8), Region(130, 110, 8, 8)]
    (part,) = parts(5_000, 4_000, near, MAX_SIDE_PX)
    assert len(part.seen(near)) == 2
    assert len(part.seen([*near, Region(106, 104, 8, 8)])) == 2, "a frame crosses that of a stronger region"
    far = [Region(1_000 * index, 3_990, 8, 8) for index in range(5)]
    found = parts(5_000, 4_000, far, MAX_SIDE_PX)
    assert len(found) == MAX_DETAILS
    assert all(part.holds(region) for part, region in zip(found, far, strict=False))


def test_a_part_at_the_edge_of_a_narrow_picture_lies_within_it() -> None:
    assert parts(200, 9_000, [Region(195, 8_995, 5, 5)], MAX_SIDE_PX) == [Part(0, 8_675, 200, 325)]
