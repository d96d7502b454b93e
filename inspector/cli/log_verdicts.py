"""Reads the verdicts, or the shadow's, that a log still holds."""

from collections.abc import Callable, Iterator, Sequence

from google.protobuf.message import DecodeError

from inspector.archive.log_reading import LogReading
from inspector.verdicts.feed import Followed
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import Start, Tail
from streams.records import TYPE_PREFIX, Record


def stored_verdicts(name: str, tail: Callable[[Start], Tail]) -> Iterator[Sequence[Verdict]]:
    """In batches, the oldest first. Raises LogError."""
    for batch in LogReading(Followed(name, tail, _verdicts)).batches():
        yield batch.items


def _verdicts(records: Sequence[Record]) -> list[Verdict]:
    """Records that are none are passed over: other programs may write there."""
    verdicts = []
    for record in records:
        if record.type == f"{TYPE_PREFIX}Verdict":
            try:
                verdicts.append(Verdict.FromString(record.value))
            except DecodeError:
                continue
    return verdicts
