"""Sets what OpenCV refuses by itself; it reads these variables once, when it is loaded. Knows no record."""

import os

MAX_SIDE_PX = 32_768
MAX_PIXELS = 64_000_000


def set_opencv_limits() -> None:
    """A second check behind those of the headers; without effect in a process that loaded OpenCV earlier.

    OpenCV's log lines have neither time nor level, and every image that it cannot read is reported by a finding.
    """
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PIXELS)
    os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] = str(MAX_SIDE_PX)
    os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] = str(MAX_SIDE_PX)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
