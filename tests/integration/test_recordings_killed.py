"""Killed at any moment, the keeper keeps each piece once, on both logs, and leaves nothing that the sweep misses."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.rows import PieceFilter
from streams.kafka.log import KafkaLog
from streams.kafka.topics import TopicPlan, create_topics
from streams.observation import InspectionId, Observation
from streams.references.lane import ReferenceSettings
from tests.inspector.archive.recordings.kept_line import KeptLine, archive_verdicts
from tests.inspector.archive.recordings.recorded_line import (
    PREFIX,
    RecordedLine,
    assert_equal,
    build,
    publish,
    work,
)
from tests.inspector.archive.recordings.test_inputs import Judged
from tests.integration.kafka_line import KafkaLine

NUM = 40
KILLS = 6


@pytest.fixture
def sqlite(disk_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{disk_path / 'archive.sqlite'}")) as database:
        upgrade(database)
        yield database


def check_all(line: KeptLine, observations: dict[InspectionId, Observation]) -> None:
    rows = line.archive.find(PieceFilter(), limit=1000)
    assert len(rows) == len(observations)
    for row in rows:
        again = KeptInputs(line.archive, line.store).read(row.key)
        assert again.is_whole, again.missing
        assert_equal(again.observation, observations[InspectionId(row.line, row.station, row.piece_id)])
    line.retention().sweep()
    needed = {kept.sha256 for row in rows for kept in line.archive.recordings(row.key)}
    stored = {file.digest for number in range(256) for file in line.store.listed(f"{number:02x}")}
    assert stored == needed


def kill_and_restart(command: list[str]) -> int:
    """Runs it, killed at random moments after it is ready, then to its end; returns how often it was killed."""
    chance, kills = random.Random(7), 0
    while True:
        with subprocess.Popen([sys.executable, "-m", "tests.integration.recordings_worker", *command],
                              stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if kills < KILLS:
                time.sleep(chance.uniform(0, 0.25))
                process.kill()
                kills += 1
                continue
            assert process.communicate(timeout=120)[0].startswith("kept\n"), "the kills came too late"
            assert process.returncode == 0
            return kills


def test_on_the_embedded_log(disk_path: Path, sqlite: Database) -> None:
    judged = Judged(disk_path, NUM)
    archive_verdicts(judged.log, sqlite)
    images = (disk_path / "images").as_uri() + "/"
    assert kill_and_restart([str(judged.path), PREFIX, sqlite.name, str(disk_path / "store"), images]) == KILLS
    with closing(KeptLine(judged.log, PREFIX, sqlite, disk_path / "store")) as line:
        check_all(line, judged.observations)


@pytest.mark.broker
def test_on_kafka(line: KafkaLine, disk_path: Path, sqlite: Database) -> None:
    """Also the only test that reads inputs from Kafka: every kind of recording comes back bit for bit."""
    (disk_path / "images").mkdir()
    images = (disk_path / "images").as_uri() + "/"
    log = KafkaLog(line.settings, PREFIX, [line.name])
    create_topics(line.settings, PREFIX, [line.name], TopicPlan(partitions=2))
    publish(log, RecordedLine(line.name, disk_path / "images").records(NUM))
    observations = judge(log, line.name, images)
    archive_verdicts(log, sqlite)
    command = ["kafka", PREFIX, sqlite.name, str(disk_path / "store"), images]
    assert kill_and_restart([*command, line.settings.bootstrap_servers[0], line.name]) == KILLS
    with closing(KeptLine(log, PREFIX, sqlite, disk_path / "store")) as kept:
        check_all(kept, observations)


def judge(log: KafkaLog, line: str, images: str) -> dict[InspectionId, Observation]:
    with closing(log.sink()) as sink, closing(log.source()) as source:
        return work(build(source, sink, line, ReferenceSettings((images,))), NUM)
