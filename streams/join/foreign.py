"""Decodes records read back from the service's output topics; skips records that other programs wrote."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from streams.join.join_metrics import JoinMetrics
from streams.records import Record

log = logging.getLogger("inspector.streams.join")

T = TypeVar("T")


def read_ours(records: Sequence[Record], read: Callable[[Record], T | None], metrics: JoinMetrics) -> list[T]:
    """Decodes the records of one partition with `read`. Counts those for which it returns None and reports them in one
    log line: a foreign or damaged record must neither stop a worker nor be used."""
    items: list[T] = []
    num_foreign, first = 0, None
    for record in records:  # one at a time: a log may read them in slices, because they do not all fit into memory
        item = read(record)
        if item is not None:
            items.append(item)
            continue
        num_foreign, first = num_foreign + 1, first or replace(record, value=b"")
    if first is not None:
        metrics.passed_over(first.topic, num_foreign)
        log.error(
            "%s/%d: skipped %d of %d records read back, the first at offset %d: they are damaged or were not written "
            "by an inspector. Find the program that writes to this topic and allow only inspectors to write to it.",
            first.topic,
            first.partition,
            num_foreign,
            len(records),
            first.offset,
        )
    return items
