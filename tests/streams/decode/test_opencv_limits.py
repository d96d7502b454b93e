"""OpenCV refuses large images by itself, whichever module of ours is imported first."""

import subprocess
import sys

import pytest

_SCRIPT = """
import {module}, struct, zlib
import cv2, numpy
def is_decoded(width, height):
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    file = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    file += chunk(b"IDAT", zlib.compress(bytes((width + 1) * height))) + chunk(b"IEND", b"")
    try:
        return cv2.imdecode(numpy.frombuffer(file, numpy.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        return False
print([is_decoded(*sides) for sides in ((8000, 8001), (32_769, 2), (2, 32_769), (32_768, 2), (99, 9))])
"""


@pytest.mark.parametrize("module", ["streams.decode.images", "inspector.training.data"])
def test_a_fresh_process_has_the_limits(module: str) -> None:
    script = _SCRIPT.format(module=module)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("[False, False, False, True, True]", "")
