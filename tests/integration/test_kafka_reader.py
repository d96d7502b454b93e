"""Reading records again by their offsets, on a real broker."""

from contextlib import closing

import pytest

from streams.kafka.reader import KafkaReader
from streams.log import LogUnavailableError
from streams.records import TopicPartition
from tests.integration.kafka_line import FRAME, KafkaLine

pytestmark = pytest.mark.broker
LARGE = 2**24


def at(line: KafkaLine, partition: int = 0) -> TopicPartition:
    return TopicPartition(line.topics.of("frames"), partition)


def test_records_are_read_by_their_offsets(line: KafkaLine) -> None:
    line.publish([b"%d" % number for number in range(300)])
    line.publish([b"other"], partition=1)
    with closing(line.log().reader()) as reader:
        result = reader.read(at(line), [299, 0, 7, 150, 3], max_bytes=LARGE, timeout_s=20)
        assert {offset: record.value for offset, record in result.records.items()} == {
            offset: b"%d" % offset for offset in (0, 3, 7, 150, 299)
        }
        assert not result.missing
        result = reader.read(at(line, 1), [0], max_bytes=LARGE, timeout_s=20)
        assert [(record.value, record.type, record.is_stamped_by_log) for record in result.records.values()] == [
            (b"other", FRAME, True)
        ]


def test_records_that_are_gone_or_never_were_are_named(line: KafkaLine) -> None:
    line.publish([b"a", b"b", b"c"])
    with closing(line.log().reader()) as reader:
        line.delete_before("frames", 0, 2)
        result = reader.read(at(line), [0, 1, 2, 3, 1000], max_bytes=LARGE, timeout_s=20)
        assert (list(result.records), result.missing) == ([2], {0, 1, 3, 1000})
        assert reader.read(at(line, 17), [0], max_bytes=LARGE, timeout_s=20).missing == {0}
        nowhere = TopicPartition("test.no-such-line.frames", 0)
        assert reader.read(nowhere, [5], max_bytes=LARGE, timeout_s=20).missing == {5}


def test_records_that_retention_deletes_meanwhile_are_named(line: KafkaLine) -> None:
    line.publish([b"a", b"b", b"c"])
    with closing(line.log().reader()) as reader:
        assert len(reader.read(at(line), [0, 1, 2], max_bytes=LARGE, timeout_s=20).records) == 3
        line.delete_before("frames", 0, 2)
        result = reader.read(at(line), [0, 1, 2], max_bytes=LARGE, timeout_s=20)
        assert (list(result.records), result.missing) == ([2], {0, 1})


def test_records_of_an_aborted_transaction_are_missing(line: KafkaLine) -> None:
    """No worker has read them."""
    log = line.log()
    with closing(log.sink()) as sink:
        producer = sink._producer
        assert producer is not None
        producer.begin_transaction()
        producer.send(line.topics.of("frames"), value=b"aborted", key=b"station", partition=0).get(10)
        producer.abort_transaction()
    line.publish([b"committed"])
    with closing(log.reader()) as reader:
        result = reader.read(at(line), [0, 1, 2], max_bytes=LARGE, timeout_s=20)
    assert [record.value for record in result.records.values()] == [b"committed"]
    assert result.missing == {0, 1, 2} - result.records.keys()  # the aborted record and the marker of its end


def test_bytes_are_bounded(line: KafkaLine) -> None:
    line.publish([bytes(1000)] * 20)
    with closing(line.log().reader()) as reader:
        result = reader.read(at(line), range(20), max_bytes=5500, timeout_s=20)
        assert (list(result.records), result.too_large) == ([0, 1, 2, 3, 4], set(range(5, 20)))
        assert not result.missing
        assert len(reader.read(at(line), range(20), max_bytes=LARGE, timeout_s=20).records) == 20


def test_time_is_bounded(line: KafkaLine) -> None:
    line.publish([b"a"])
    with closing(KafkaReader(line.settings)) as reader, pytest.raises(LogUnavailableError, match=r"within 0 s.*again"):
        reader.read(at(line), [0], max_bytes=LARGE, timeout_s=0)
