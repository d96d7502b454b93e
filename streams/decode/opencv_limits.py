"""Sets OpenCV's own limits; it reads these variables once, when it is loaded."""

import os

MAX_SIDE_PX = 32_768
MAX_PIXELS = 64_000_000


def set_opencv_limits() -> None:
    """A second check after those of the headers; has no effect in a process that loaded OpenCV earlier.

    Silences OpenCV's log, because every unreadable image is reported as a `RecordError`.
    """
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PIXELS)
    os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] = str(MAX_SIDE_PX)
    os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] = str(MAX_SIDE_PX)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
