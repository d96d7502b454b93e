"""Turns records read back from our output topics into what we wrote there; what others wrote is passed over."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from streams.join.join_metrics import JoinMetrics
from streams.records import Record

log = logging.getLogger("inspector.streams.join")

T = TypeVar("T")


def read_ours(records: Sequence[Record], read: Callable[[Record], T | None], metrics: JoinMetrics) -> list[T]:
    """What `read` makes of the records of one partition; those of which it makes None are counted, and reported in one
    line: a foreign or damaged record must neither stop a worker nor be believed."""
    items: list[T] = []
    num_foreign, first = 0, None
    for record in records:  # one at a time: a log may read them in slices, for they do not all fit into memory
        item = read(record)
        if item is not None:
            items.append(item)
            continue
        num_foreign, first = num_foreign + 1, first or replace(record, value=b"")
    if first is not None:
        metrics.passed_over(first.topic, num_foreign)
        log.error(
            "%s/%d: %d of %d records read back are damaged or were not written by an inspector, the first at offset "
            "%d: passed over. Find out who writes to this topic, and let only inspectors write to it.",
            first.topic,
            first.partition,
            num_foreign,
            len(records),
            first.offset,
        )
    return items
