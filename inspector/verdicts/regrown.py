"""Notices a log that was put back to an earlier state and has grown past a reader's position since."""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple, TypeVar

from inspector.verdicts.feed import Followed
from streams import resume_token
from streams.log import Gap, Start, Tail
from streams.records import Record, TopicPartition

MAX_BYTES = 64 * 2**20
TIMEOUT_S = 20.0
CHECK_S = 5.0
"""How long records are waited for where there should be none."""
Item = TypeVar("Item")


class LastRecord(NamedTuple):
    """The record of a partition that was stored last."""

    offset: int
    append_ns: int


def regrown(followed: Followed[Item], last: Mapping[TopicPartition, LastRecord], tail: Tail) -> list[Gap]:
    """Partitions where the log has another record, or none, at the place of the last one: they begin anew.

    `tail` was opened at the stored position. A record that retention removed shows nothing. Raises LogError.
    """
    position, known = tail.position(), {gap.source for gap in tail.gaps}
    checked = {source: record for source, record in last.items() if source in position and source not in known}
    if followed.reader is None or not checked:
        return []
    replaced, missing = set[TopicPartition](), set[TopicPartition]()
    with closing(followed.reader()) as reader:
        for source, record in checked.items():
            back = reader.read(source, [record.offset], max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S)
            if record.offset in back.missing:
                missing.add(source)
            elif (found := back.records.get(record.offset)) is not None and found.append_ns != record.append_ns:
                replaced.add(source)
    if followed.is_compacted:
        missing.clear()
    replaced |= _grown(followed, checked, tail)
    floors = _floors(followed) if replaced or missing else {}
    replaced |= {source for source in missing if checked[source].offset >= floors.get(source, 0)}
    now_ns = time.time_ns()
    return [Gap(source, position[source], floors.get(source, 0), now_ns, True) for source in sorted(replaced)]


def _grown(followed: Followed[Item], last: Mapping[TopicPartition, LastRecord], tail: Tail) -> set[TopicPartition]:
    """Partitions that have records between the last one and the position, where there were none."""
    position = dict(tail.position())
    behind = {source: record.offset + 1 for source, record in last.items() if record.offset + 1 < position[source]}
    if not behind:
        return set()
    token = resume_token.encode(position | behind, tail.identities())
    grown, end_s = set[TopicPartition](), time.monotonic() + CHECK_S
    with closing(followed.tail(Start(token=token, skip_lost=True))) as again:
        while time.monotonic() < end_s:
            records = again.poll(0.2)
            between = [record for record in records if record.offset < position.get(_source(record), 0)]
            grown |= {_source(record) for record in between if followed.read([record])}
            now = again.position()
            if all(now.get(source, 0) >= position[source] for source in behind):
                break
    return grown


def _source(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _floors(followed: Followed[Item]) -> Mapping[TopicPartition, int]:
    with closing(followed.tail(Start(earliest=True))) as tail:
        return dict(tail.position())
