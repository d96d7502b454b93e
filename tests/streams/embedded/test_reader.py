"""Reading records of the file again by their offsets."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog
from streams.log import LogUnavailableError, RecordReader
from streams.records import TopicPartition
from tests.embedded_parts import FRAMES, SIGNALS, frames, output, publish

LARGE = 2**20


@pytest.fixture
def log(tmp_path: Path) -> EmbeddedLog:
    return EmbeddedLog(tmp_path / "log.db")


@pytest.fixture
def reader(log: EmbeddedLog) -> Iterator[RecordReader]:
    with closing(log.reader()) as opened:
        yield opened


def test_records_are_read_by_their_offsets(log: EmbeddedLog, reader: RecordReader) -> None:
    publish(log, *frames(b"a", b"b"), output("signals", b"s"), *frames(b"c"))
    result = reader.read(FRAMES, [4, 1], max_bytes=LARGE, timeout_s=10)
    assert [(offset, record.value, record.topic) for offset, record in result.records.items()] == [
        (1, b"a", FRAMES.topic),
        (4, b"c", FRAMES.topic),
    ]
    assert not result.missing
    assert not result.too_large


def test_records_that_are_gone_or_of_another_topic_are_named(log: EmbeddedLog, reader: RecordReader) -> None:
    publish(log, *frames(b"a", b"b"), output("signals", b"s"))
    with closing(log._open()) as store, store.write(durable=False):
        store.delete(store.known_topic(FRAMES.topic).id, 1)
    result = reader.read(FRAMES, [1, 2, 3, 99, -1], max_bytes=LARGE, timeout_s=10)
    assert result.records.keys() == {2}
    assert result.missing == {1, 3, 99, -1}
    assert reader.read(TopicPartition("qa.none.frames", 0), [1], max_bytes=LARGE, timeout_s=10).missing == {1}
    assert reader.read(SIGNALS._replace(partition=1), [3], max_bytes=LARGE, timeout_s=10).missing == {3}


def test_what_does_not_fit_is_named(log: EmbeddedLog, reader: RecordReader) -> None:
    publish(log, *frames(*[bytes(100)] * 500))
    result = reader.read(FRAMES, range(1, 501), max_bytes=25_000, timeout_s=10)
    assert list(result.records) == list(range(1, 251))
    assert result.too_large == set(range(251, 501))
    assert not result.missing


def test_time_is_bounded(log: EmbeddedLog, reader: RecordReader) -> None:
    publish(log, *frames(b"a"))
    with pytest.raises(LogUnavailableError, match=r"0 of 1 records were read within 0 s"):
        reader.read(FRAMES, [1], max_bytes=LARGE, timeout_s=0)
