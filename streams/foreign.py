"""Turns records read back from our output topics into what we wrote there; what others wrote is passed over."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from streams.join_metrics import JoinMetrics
from streams.records import Record

log = logging.getLogger("inspector.streams.join")

T = TypeVar("T")


def read_ours(records: Sequence[Record], read: Callable[[Record], T | None], metrics: JoinMetrics) -> list[T]:
    """What `read` makes of the records of one partition; those of which it makes None are counted, and reported in one
    line: a foreign or damaged record must neither stop a worker nor be believed."""
    read_back = [(record, read(record)) for record in records]
    foreign = [record for record, item in read_back if item is None]
    if foreign:
        first = foreign[0]
        metrics.passed_over(first.topic, len(foreign))
        log.error(
            "%s/%d: %d of %d records read back are damaged or were not written by an inspector, the first at offset "
            "%d: passed over. Find out who writes to this topic, and let only inspectors write to it.",
            first.topic,
            first.partition,
            len(foreign),
            len(records),
            first.offset,
        )
    return [item for _, item in read_back if item is not None]
