"""Archivers are killed while verdicts come: each verdict is stored once, by one archiver or two."""

from pathlib import Path

import pytest

from tests.integration.archive_run import Plan, run
from tests.integration.kafka_line import KafkaLine


@pytest.mark.timeout(300)
def test_killed_archivers_store_each_verdict_once(tmp_path: Path) -> None:
    plan = Plan(f"embedded:{tmp_path / 'log'}", "a", f"sqlite:///{tmp_path / 'archive'}", pieces=400, kills=6)
    assert run(plan).is_exact(plan)


@pytest.mark.timeout(300)
@pytest.mark.broker
def test_two_archivers_on_one_database_store_each_verdict_once(line: KafkaLine, postgres_url: str) -> None:
    log = f"kafka:{line.settings.bootstrap_servers[0]}:{line.name}"
    plan = Plan(log, line.name, postgres_url, pieces=200, kills=2, archivers=2)
    assert run(plan).is_exact(plan)
