"""Decoding image files in several threads, and within limits."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode import images
from streams.decode.limits import Limits, RecordError
from streams.observation import Image
from tests import malformed as bad

WITH_LITTLE_MEMORY = """
import logging, resource, cv2, numpy as np
from pathlib import Path
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.images import decode_file
from streams.decode.limits import RecordError, Limits

logging.basicConfig(format="%(levelname)s %(message)s")
noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), np.uint8)
for form, name in ((pb.PIXEL_FORMAT_PNG, ".png"), (pb.PIXEL_FORMAT_JPEG, ".jpg")):
    file = cv2.imencode(name, noise)[1].tobytes()
    decode_file(cv2.imencode(name, noise[:8, :8])[1].tobytes(), form, Limits())
    for spare in (2, 10, 20, 30, 200):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + spare * 2**20, -1))
        try:
            print(name, spare, decode_file(file, form, Limits()).shape)
        except RecordError as error:
            print(name, spare, pb.DeadLetterReason.Name(error.reason), error.detail)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
"""


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
        decoded = list(pool.map(lambda file: images.decode_file(file[0], file[1], Limits()), files))
    assert overlaps == []
    assert [image.shape for image in decoded] == [large.shape] * len(files)


def test_a_refused_large_image_keeps_no_other_from_being_decoded() -> None:
    junk = bad.png_of(5000, 5000, b"junk")
    for _ in range(2):
        with pytest.raises(RecordError):
            images.decode_file(junk, pb.PIXEL_FORMAT_PNG, Limits())


def test_a_lack_of_memory_is_not_reported_as_a_bad_image() -> None:
    """OpenCV gives nothing for both."""
    command = [sys.executable, "-c", WITH_LITTLE_MEMORY]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = ended.stdout.splitlines()
    whole = [line for line in lines if line.endswith("(2000, 3000, 3)")]
    wanting = [line for line in lines if "TOO_LARGE decoding it takes up to 51 MiB of memory" in line]
    assert {".png 200 (2000, 3000, 3)", ".jpg 200 (2000, 3000, 3)"} <= set(whole)
    assert len(wanting) >= 4
    assert len(whole) + len(wanting) == len(lines) == 10
    assert len([line for line in ended.stderr.splitlines() if line.startswith("ERROR Out of memory")]) == 1
