"""A JPEG is walked to its end before libjpeg sees it: libjpeg sees only checked segments."""

import time
from itertools import accumulate

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.images import decode_file
from streams.decode.jpeg_files import read_jpeg
from streams.decode.limits import Limits, RecordError
from streams.observation import Image
from tests import image_parts as parts
from tests import malformed as bad

WHOLE = bad.jpeg(bad.picture())
SLOW = bad.jpeg(bad.picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
SLOW_PARTS = parts.parts_of(SLOW)
FIRST_SCAN = WHOLE.index(b"\xff\xda")


def decoded(file: bytes) -> Image:
    return decode_file(file, pb.PIXEL_FORMAT_JPEG, Limits())


def refusal(file: bytes) -> str:
    with pytest.raises(RecordError) as refused:
        decoded(file)
    assert refused.value.reason == pb.DEAD_LETTER_REASON_BAD_IMAGE
    return refused.value.detail


@pytest.mark.parametrize("marker", [0x01, 0x02, 0xBF, *range(0xD0, 0xD8)])
def test_no_header_hides_behind_a_marker_without_length(marker: int) -> None:
    start = time.thread_time()
    assert f"has the byte {marker:02x} at 3" in refusal(parts.hidden_header(marker))
    assert time.thread_time() - start < 0.1


NO_SEGMENTS = [b"\xff\xd8", b"\xff\xc8\0\2", b"\xff\xf0\0\2", b"\xff\xde\0\2"]
NO_SCAN_DATA = [b"\0", b"\xff\x00"]


@pytest.mark.parametrize(
    ("at", "head"),
    [
        *[(at, head) for at in (2, FIRST_SCAN) for head in NO_SEGMENTS + NO_SCAN_DATA],
        *[(-2, head) for head in NO_SEGMENTS],
    ],
)
def test_what_is_no_segment_is_refused(at: int, head: bytes) -> None:
    assert "expected the marker of a segment" in refusal(WHOLE[:at] + head + WHOLE[at:])


@pytest.mark.parametrize("at", [FIRST_SCAN, -2], ids=["before the scan", "behind the scan"])
def test_a_second_frame_header_is_refused(at: int) -> None:
    large = next(body for marker, body, _ in parts.parts_of(parts.sized(WHOLE, 30_000, 30_000)) if marker == parts.SOF)
    file = WHOLE[:at] + parts.segment(parts.SOF, large) + WHOLE[at:]
    assert "two frame headers" in refusal(file)


def test_a_frame_header_behind_the_scan_is_too_late() -> None:
    moved = sorted(parts.parts_of(WHOLE), key=lambda part: part[0] == parts.SOF)
    assert "no frame header before its first scan" in refusal(parts.joined(moved))


@pytest.mark.parametrize("fill", [1, 100_000])
def test_fill_bytes_before_a_marker_are_no_harm(fill: int) -> None:
    file = WHOLE[:FIRST_SCAN] + b"\xff" * fill + WHOLE[FIRST_SCAN:-2] + b"\xff" * fill + WHOLE[-2:]
    assert np.array_equal(decoded(file), decoded(WHOLE))


@pytest.mark.parametrize(
    "tail",
    [b"dhav\x59\x19\x01\x00", bytes(1000), b"\r\n", b"\0", b"\xff\xd9", SLOW, parts.sized(WHOLE, 30_000, 30_000)],
    ids=["maker", "zeros", "line break", "one byte", "second end", "second image", "second header"],
)
@pytest.mark.parametrize("file", [WHOLE, SLOW], ids=["baseline", "progressive"])
def test_bytes_behind_the_end_are_left_out(file: bytes, tail: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert np.array_equal(decoded(file + tail), parts.decoded_by_opencv(file))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("file", [WHOLE, SLOW], ids=["baseline", "progressive"])
@pytest.mark.parametrize("tail", [b"", b"dhav\x59\x19\x01\x00", bytes(1000), WHOLE])
def test_a_file_cut_before_its_end_is_refused_whatever_follows(file: bytes, tail: bytes) -> None:
    refusal(file[: len(file) * 2 // 3] + tail)


def test_metadata_do_not_reach_the_decoder() -> None:
    extra = [(0xE1, b"Exif\0\0" + b"x" * 50, b""), (0xE2, b"ICC_PROFILE\0" + b"x" * 50, b""), (0xFE, b"comment", b"")]
    file = parts.joined([*parts.parts_of(WHOLE)[:1], *extra, *parts.parts_of(WHOLE)[1:]])
    assert bytes(read_jpeg(file).for_decoder()) == WHOLE


def test_adobes_colours_are_kept() -> None:
    adobe = (0xEE, b"Adobe\0\x64\0\0\0\0\0", b"")  # stored as red, green, blue
    file = parts.joined([adobe, *parts.parts_of(WHOLE)[1:]])
    assert np.array_equal(decoded(file), parts.decoded_by_opencv(file))
    assert not np.array_equal(decoded(file), decoded(WHOLE))


CUTS = list(accumulate(1 for part in SLOW_PARTS if part[0] == parts.SOS))[:-1]


@pytest.mark.parametrize("num_scans", CUTS)
def test_a_progressive_file_cut_between_two_scans_is_refused(num_scans: int) -> None:
    ends = [index for index, part in enumerate(SLOW_PARTS) if part[0] == parts.SOS]
    assert f"ends after {num_scans} scans" in refusal(parts.joined(SLOW_PARTS[: ends[num_scans - 1] + 1]))


def test_twenty_scans_are_decoded_and_no_more() -> None:
    scans = [part for part in SLOW_PARTS if part[0] == parts.SOS]
    read_jpeg(parts.joined(SLOW_PARTS + [scans[-1]] * (20 - len(scans))))
    assert "has 21 scans" in refusal(parts.joined(SLOW_PARTS + [scans[-1]] * (21 - len(scans))))


@pytest.mark.parametrize(("sides", "accepted"), [((4096, 4096), True), ((5000, 4000), True), ((5001, 4000), False)])
def test_scans_times_pixels_are_bounded(sides: tuple[int, int], *, accepted: bool) -> None:
    file = parts.sized(SLOW, *sides)
    if accepted:
        assert read_jpeg(file).header.width_px == sides[0]
    else:
        assert "10 scans of 5001 x 4000 px" in refusal(file)


def test_a_large_baseline_file_of_one_scan_is_not_bounded_by_scans() -> None:
    assert read_jpeg(parts.sized(WHOLE, 9000, 7000)).header.height_px == 7000


@pytest.mark.parametrize("file", [WHOLE, SLOW, bad.jpeg(np.full((40, 40), 128, np.uint8))])
def test_a_whole_file_is_decoded_once_and_without_a_word(
    file: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    imdecode = cv2.imdecode

    def counted(content: NDArray[np.uint8], flags: int) -> object:
        calls.append(flags)
        return imdecode(content, flags)

    monkeypatch.setattr(cv2, "imdecode", counted)
    assert np.array_equal(decoded(file), parts.decoded_by_opencv(file))
    assert len(calls) == 2  # ours and the test's
    assert capfd.readouterr().err == ""
