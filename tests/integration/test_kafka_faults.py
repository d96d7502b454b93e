"""Exactly one verdict per record while workers die, sleep, leave and come back; counted by an independent reader."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.faults import POINTS, WorkerProcess, wait_for
from tests.integration.kafka_line import KafkaLine

pytestmark = pytest.mark.broker

NUM_RECORDS = 40


def worker(
    line: KafkaLine, folder: Path, name: str, fault: str = "", after: int = 20, kind: str = "KILL"
) -> WorkerProcess:
    environment = {
        "BOOTSTRAP": line.settings.bootstrap_servers[0],
        "LINE": line.name,
        "WORKER": name,
        "SESSION_TIMEOUT_S": str(line.settings.session_timeout_s),
        "TRANSACTION_TIMEOUT_S": str(line.settings.transaction_timeout_s),
        "FAULT_POINT": fault,
        "FAULT_AFTER": str(after),
        "FAULT_SIGNAL": kind,
    }
    return WorkerProcess("tests.integration.stub_worker", environment, folder / f"{name}.log")


def publish(line: KafkaLine) -> Counter[bytes]:
    """Numbered records over both partitions; each is wanted once."""
    values = [b"%d" % number for number in range(NUM_RECORDS)]
    line.publish(values[::2], partition=0)
    line.publish(values[1::2], partition=1)
    return Counter(values)


def verdicts(line: KafkaLine) -> Counter[bytes]:
    return Counter(record.value for record in line.verdicts(NUM_RECORDS, timeout_s=60))


@pytest.mark.parametrize("point", POINTS)
def test_kill_and_restart_under_the_same_name(line: KafkaLine, tmp_path: Path, point: str) -> None:
    expected = publish(line)
    with worker(line, tmp_path, "worker-1", point) as first:
        assert first.wait(60) == -signal.SIGKILL
    with worker(line, tmp_path, "worker-1"):
        assert verdicts(line) == expected


@pytest.mark.parametrize("point", ["after produce", "before commit"])
def test_kill_and_take_over_by_another(line: KafkaLine, tmp_path: Path, point: str) -> None:
    expected = publish(line)
    with worker(line, tmp_path, "worker-1", point) as first:
        assert first.wait(60) == -signal.SIGKILL
    with worker(line, tmp_path, "worker-2"):
        assert verdicts(line) == expected


@pytest.mark.parametrize("successor", ["worker-1", "worker-2"])
def test_a_sleeper_that_wakes_between_offsets_and_commit_publishes_nothing(
    line: KafkaLine, tmp_path: Path, successor: str
) -> None:
    expected = publish(line)
    with worker(line, tmp_path, "worker-1", "before commit", kind="STOP") as sleeper:
        sleeper.wait_stopped(60)
        with worker(line, tmp_path, successor):
            assert verdicts(line) == expected
            sleeper.signal(signal.SIGCONT)
            log_file = tmp_path / "worker-1.log"
            wait_for(lambda: "refused" in log_file.read_text(), 60, "the sleeper's commit to be refused")
            if successor == "worker-1":
                assert sleeper.wait(60) == 1
                assert "another process named 'worker-1' has taken over" in log_file.read_text()
            assert verdicts(line) == expected


def test_two_workers_share_and_one_dies(line: KafkaLine, tmp_path: Path) -> None:
    expected = publish(line)
    with worker(line, tmp_path, "worker-1"), worker(line, tmp_path, "worker-2", "after poll", after=1) as leaver:
        leaver.wait(60)
        assert verdicts(line) == expected
