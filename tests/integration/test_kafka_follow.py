"""The archive follows a real broker: several topics, gaps, and a topic that was recreated and has grown."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inspector.archive.database import Database
from inspector.archive.followers import archive_followers
from inspector.archive.migrate import upgrade
from inspector.archive.schema import GAPS, VERDICTS
from inspector.verdicts import follow as follow_module
from protos.inspection.v1.records_pb2 import Feedback, Inspection
from streams.kafka import settings
from streams.kafka.client import open_admin
from streams.kafka.log import KafkaLog
from tests.inspector.archive.parts import make_verdict
from tests.integration.kafka_line import PREFIX, KafkaLine
from tests.threads import running

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METADATA_MAX_AGE_MS", 200)
    monkeypatch.setattr(follow_module, "POLL_S", 0.1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as opened:
        upgrade(opened)
        yield opened


def publish(line: KafkaLine, numbers: range, partition: int = 0) -> None:
    values = [make_verdict(number, line.name).SerializeToString() for number in numbers]
    line.publish(values, kind="verdicts", partition=partition)


@contextmanager
def following(log: KafkaLog, database: Database) -> Iterator[None]:
    with running(each.run for each in archive_followers(log, database)):
        yield


def wait_for(database: Database, count: int, table: str = "verdicts") -> None:
    pause = threading.Event()
    query = select(func.count()).select_from(VERDICTS.metadata.tables[table])
    for _ in range(600):
        with database.read() as connection:
            if connection.execute(query).scalar_one() >= count:
                break
        pause.wait(0.1)
    with database.read() as connection:
        assert connection.execute(query).scalar_one() == count


def gaps(database: Database) -> list[tuple[int, int, int, bool]]:
    columns = (GAPS.c.partition, GAPS.c.first_offset, GAPS.c.next_offset, GAPS.c.is_recreated)
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def test_two_lines_and_their_feedback_are_archived(line: KafkaLine, database: Database) -> None:
    other = KafkaLine.named(line.settings.bootstrap_servers[0], "other")
    other.create()
    publish(line, range(20))
    publish(line, range(20, 30), partition=1)
    publish(other, range(30, 35))
    finding = Feedback(inspection=Inspection(line=line.name, station="s1", piece_id="p00001"), label="LABEL_NOK")
    line.publish([finding.SerializeToString()], kind="feedback")
    with closing(KafkaLog(line.settings, PREFIX, [line.name, other.name])) as log:
        with following(log, database):
            wait_for(database, 35)
            wait_for(database, 1, "feedback")
        publish(other, range(35, 40))
        with following(log, database):
            wait_for(database, 40)
    assert not gaps(database)


def test_a_gap_in_one_partition_has_no_other_read_again(line: KafkaLine, database: Database) -> None:
    publish(line, range(10))
    publish(line, range(10, 20), partition=1)
    with closing(line.log()) as log:
        with following(log, database):
            wait_for(database, 20)
        publish(line, range(20, 30))
        line.delete_before("verdicts", 0, 15)
        with following(log, database):
            wait_for(database, 25)
    assert gaps(database) == [(0, 10, 15, False)]


def test_a_topic_that_was_recreated_and_has_grown_past_the_position_is_read_from_its_beginning(
    line: KafkaLine, database: Database
) -> None:
    """It was read from its middle, where the topic before it had ended."""
    publish(line, range(10))
    with closing(line.log()) as log:
        with following(log, database):
            wait_for(database, 10)
        with closing(open_admin(line.settings)) as admin:
            admin.delete_topics([line.topics.of("verdicts")])
        _create_again(line)
        publish(line, range(100, 130))
        with following(log, database):
            wait_for(database, 40)
    assert (0, 10, 0, True) in gaps(database)


def _create_again(line: KafkaLine) -> None:
    """The broker removes a topic some moments after it was told to."""
    pause = threading.Event()
    for _ in range(100):
        with closing(open_admin(line.settings)) as admin:
            if line.topics.of("verdicts") not in admin.list_topics():
                break
        pause.wait(0.1)
    line.create()
