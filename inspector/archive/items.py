"""Reads records of the other topics: dead letters, people's findings, deployments. Skips other records."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from protos.inspection.v1.control_pb2 import Deployment
from protos.inspection.v1.records_pb2 import DeadLetter, Feedback
from streams.records import Record, TopicPartition

Content = TypeVar("Content", DeadLetter, Feedback, Deployment)


@dataclass(frozen=True, slots=True)
class LogItem(Generic[Content]):
    """A message with its place in the log."""

    source: TopicPartition
    offset: int
    append_ns: int
    line: str
    """As in the topic's name."""
    message: Content


Letter = LogItem[DeadLetter]
Finding = LogItem[Feedback]
Deployed = LogItem[Deployment]


def letters_of(records: Iterable[Record]) -> Sequence[Letter]:
    return _items(records, DeadLetter.FromString)


def findings_of(records: Iterable[Record]) -> Sequence[Finding]:
    return _items(records, Feedback.FromString)


def deployments_of(records: Iterable[Record]) -> Sequence[Deployed]:
    """The other records of the control topics are not kept: they say how things stand, and are written again."""
    ours = (record for record in records if record.key.startswith(b"deployment/"))
    return [item for item in _items(ours, Deployment.FromString) if item.message.number]


def _items(records: Iterable[Record], parse: Callable[[bytes], Content]) -> list[LogItem[Content]]:
    items = []
    for record in records:
        try:
            message = parse(record.value)
        except DecodeError:
            continue
        source = TopicPartition(record.topic, record.partition)
        items.append(LogItem(source, record.offset, record.append_ns, _line(record.topic), message))
    return items


def _line(topic: str) -> str:
    """Of `<prefix>.<line>.<kind>`; neither part has a dot."""
    parts = topic.split(".")
    return parts[-2] if len(parts) > 1 else ""
