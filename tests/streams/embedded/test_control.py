"""The control topic of the embedded log: the last record of every key stays, whatever retention does."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.log import Start
from streams.records import Output
from tests.embedded_parts import TOPICS, output, publish

IMPATIENT = EmbeddedSettings(max_age_s=1e-9)
"""The next record deletes everything that may be deleted."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with closing(EmbeddedLog(tmp_path / "log.db", IMPATIENT)) as opened:
        yield opened


def command(key: bytes, value: bytes) -> Output:
    return Output(TOPICS.of("control"), 0, key, value, "inspection.v1.Test")


def seen(log: EmbeddedLog) -> list[tuple[bytes, bytes]]:
    with closing(log.control(Start(earliest=True))) as tail:
        return [(record.key, record.value) for record in tail.poll(0)]


def test_only_the_last_record_of_a_key_counts(log: EmbeddedLog) -> None:
    publish(log, command(b"a", b"1"), command(b"b", b"1"), command(b"a", b"2"))
    publish(log, command(b"c", b"1"), command(b"b", b"2"))
    assert seen(log) == [(b"a", b"2"), (b"c", b"1"), (b"b", b"2")]


def test_retention_leaves_it_alone(log: EmbeddedLog) -> None:
    publish(log, command(b"a", b"1"), output("verdicts", b"old"))
    publish(log, output("verdicts", b"new"))
    with closing(log.tail(Start(earliest=True))) as verdicts:
        assert [record.value for record in verdicts.poll(0)] == [b"new"]
    assert seen(log) == [(b"a", b"1")]


def test_a_follower_receives_new_records_and_no_verdicts(log: EmbeddedLog) -> None:
    with closing(log.control(Start(earliest=True))) as tail:
        publish(log, command(b"a", b"1"), output("verdicts", b"v"))
        assert [record.value for record in tail.poll(0)] == [b"1"]
        publish(log, command(b"a", b"2"))
        assert [record.value for record in tail.poll(0)] == [b"2"]
