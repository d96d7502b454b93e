"""Turns a failed allocation into a `RecordError` about this machine, not about the record, and logs it."""

import logging
import threading
import time

import numpy as np

from streams.decode.limits import RecordError, too_large
from streams.reminder import Reminder

log = logging.getLogger("inspector.streams.memory")

_SIZES = 3
"""Memory that decoding needs, in multiples of the decoded size."""
_lock = threading.Lock()
_reminder = Reminder[str]()


def lacks_memory(num_bytes: int) -> bool:
    """Whether memory for decoding to so many bytes is missing now. OpenCV reports that like a damaged file."""
    try:
        np.empty(_SIZES * num_bytes, np.uint8)
    except MemoryError:
        return True
    return False


def out_of_memory(num_bytes: int) -> RecordError:
    """The error for a record of this decoded size. Thread-safe."""
    error = too_large(
        f"decoding it takes up to {_SIZES * num_bytes / 2**20:.0f} MiB of memory, which is not available: give the "
        "machine or the container more memory, or lower the limits of this service ('inspector check' lists its "
        "memory), then send the record again; it is not known to be damaged"
    )
    with _lock:
        _reminder.add("decoding", "", error.detail)
        for _, happened in _reminder.due(time.monotonic()):
            log.error("Out of memory: %d records were not decoded. The last one: %s.", happened.count, error.detail)
    return error
