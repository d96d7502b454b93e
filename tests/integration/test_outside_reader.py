"""The external readers agree with each other and with the records sent."""

from contextlib import closing

import pytest
from kafka import KafkaProducer

from tests.integration.kafka_line import KafkaLine
from tests.integration.outside_reader import read_topic

pytestmark = pytest.mark.broker


def test_apache_s_client_reads_what_was_sent_byte_by_byte(bootstrap: str, line: KafkaLine) -> None:
    values = [b"", b"a\nb", bytes(range(256)), b"\n" * 3]
    topic = line.topics.of("frames")
    with closing(KafkaProducer(bootstrap_servers=bootstrap)) as producer:
        for value in values:
            producer.send(topic, value, partition=1).get(20)
    records = read_topic(bootstrap, topic, program="java")
    assert [record.value for record in records] == values
    assert {record.partition for record in records} == {1}
