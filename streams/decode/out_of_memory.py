"""Turns a failed allocation into a finding about this machine, not about the record, and says so in the log."""

import logging
import threading
import time

import numpy as np

from streams.decode.limits import Finding, too_large
from streams.reminder import Reminder

log = logging.getLogger("inspector.streams.memory")

_SIZES = 3
"""What decoding takes while it runs, in sizes of what it decodes to."""
_lock = threading.Lock()
_reminder = Reminder[str]()


def lacks_memory(num_bytes: int) -> bool:
    """Whether decoding to so many bytes finds no memory now. OpenCV does not tell that from a damaged file."""
    try:
        np.empty(_SIZES * num_bytes, np.uint8)
    except MemoryError:
        return True
    return False


def want_of_memory(num_bytes: int) -> Finding:
    """About something that decodes to so many bytes. Each thread may call it."""
    finding = too_large(
        f"decoding it takes up to {_SIZES * num_bytes / 2**20:.0f} MiB of memory, which this process does not get now: "
        "give the machine or the container more memory, or this process less to hold ('inspector check' lists it), "
        "then send it again; nothing says that the record is damaged"
    )
    with _lock:
        _reminder.add("decoding", "", finding.detail)
        for _, many in _reminder.due(time.monotonic()):
            log.error("Out of memory: %d records are not decoded. The last: %s.", many.count, finding.detail)
    return finding
