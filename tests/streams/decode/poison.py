"""Decoding that ends its process at some records: `python -m tests.streams.decode.poison FD` is such a child."""

import os
import signal
import sys
import time

from streams.decode.child import main
from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.records import Record


def deadly(record: Record, limits: Limits, line: str) -> Item:
    """Dies of records that hold `deadly`, never ends with those that hold `endless`."""
    if b"deadly" in record.value:
        os.kill(os.getpid(), signal.SIGKILL)
    while b"endless" in record.value:
        time.sleep(0.01)
    if b"greedy" in record.value:
        bytearray(2**31)
    return decode(record, limits, line)


if __name__ == "__main__":
    main(int(sys.argv[1]), deadly)
