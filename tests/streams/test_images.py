"""Decoding image files in several threads, and within limits."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams import images
from streams.limits import Limits
from streams.observation import Image
from tests import malformed as bad


def test_large_images_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, imdecode, overlaps = threading.Lock(), images._imdecode, []

    def watched(content: bytes | bytearray) -> Image | None:
        if not busy.acquire(blocking=False):
            overlaps.append(content)
            return None
        try:
            return imdecode(content)
        finally:
            busy.release()

    monkeypatch.setattr(images, "_imdecode", watched)
    monkeypatch.setattr(images, "_LARGE_BYTES", 300_000)
    large = np.zeros((600, 600), np.uint8)
    files = [(bad.png(large), pb.PIXEL_FORMAT_PNG), (bad.jpeg(large), pb.PIXEL_FORMAT_JPEG)] * 8
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(lambda file: images.decode_file(*file, Limits()), files))
    assert overlaps == []
    assert [image.shape for image in decoded] == [large.shape] * len(files)


def test_a_refused_large_image_keeps_no_other_from_being_decoded() -> None:
    junk = bad.png_of(5000, 5000, b"junk")
    for _ in range(2):
        with pytest.raises(images.Finding):
            images.decode_file(junk, pb.PIXEL_FORMAT_PNG, Limits())
