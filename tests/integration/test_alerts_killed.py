"""Floor and receiver are killed while verdicts come: every alert arrives, and none twice under another key."""

import random
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.alerts.alert import Alert
from inspector.alerts.conditions import conditions_of
from inspector.alerts.desk import AlertDesk
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.settings import AlertSettings
from inspector.alerts.store import FOLLOWER, AlertStore
from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.positions import Positions
from inspector.config.opening import open_log
from inspector.config.service import load_service
from inspector.verdicts.records import verdict_output
from inspector.verdicts.ring import entries_of
from protos.inspection.v1.verdict_pb2 import Verdict
from streams import resume_token
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import TopicPlan, create_topics
from streams.log import Log, Start
from streams.records import Shard, Topics
from tests.inspector.alerts.delivering import eventually
from tests.inspector.alerts.line import FAIL, PASS, verdict
from tests.inspector.alerts.receiver import Receiver, running_receiver
from tests.texts import camera_recipe_text

RULES = """
[[alerts]]
kind = "count"
name = "cracks"
num_bad = 3
num_pieces = 10
[[alerts]]
kind = "rate"
name = "defects"
before_percent = 2
after_percent = 20
takt_s = 1
"""
CONFIG = """
prefix = "{prefix}"
lines = ["a"]
recipes = ["cup.toml"]
[log]
{log}
[web]
enabled = false
[archive]
min_free_bytes = 0
database = "{database}"
{password}
[[alerts.webhooks]]
name = "hook"
url = "{hook}"
"""
PIECES, KILLS, FLUSH, WAIT_S = 1500, 6, 25, 180.0


def shift() -> list[Verdict]:
    """Three bad spells."""
    draws = random.Random(4)
    shares = [0.4 if number // 100 in (3, 7, 12) else 0.005 for number in range(PIECES)]
    return [verdict(number, FAIL if draws.random() < share else PASS) for number, share in enumerate(shares)]


@dataclass(frozen=True)
class Run:
    """One floor with its log, database and receiver."""

    config: Path
    prefix: str
    database: Database
    receiver: Receiver

    def publish(self, log: Log, verdicts: Sequence[Verdict]) -> None:
        """Into one partition: alerts depend on the order."""
        topics = Topics(self.prefix, "a")
        with closing(log.publisher()) as publisher:
            publisher.publish([verdict_output(topics, Shard("a", 0), each) for each in verdicts])
            publisher.flush()

    def killed_within(self, log: Log, verdicts: Sequence[Verdict], draws: random.Random) -> None:
        """A floor that has begun to read them is killed at any moment."""
        before = self.position()
        with floor(self.config) as process:
            self.publish(log, verdicts[:FLUSH])
            eventually(lambda: self.position() != before or process.poll() is not None, WAIT_S)
            for start in range(FLUSH, len(verdicts), FLUSH):
                self.publish(log, verdicts[start : start + FLUSH])
                assert is_running(process, draws.random() * 0.1), "the floor ended by itself"

    def position(self) -> bytes | None:
        with self.database.read() as connection:
            return Positions(FOLLOWER, counts=True).token(connection)


@contextmanager
def floor(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Killed at the end, at whatever it does."""
    command = [sys.executable, "-m", "inspector", "floor", "--config", str(config)]
    with (config.parent / "floor.log").open("ab") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def is_running(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """After so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def undisturbed(log: Log, config: Path) -> list[Alert]:
    """The alerts that one reading of the whole log raises."""
    with closing(Database(f"sqlite:///{config.with_name('undisturbed.sqlite')}")) as database:
        settings = AlertSettings()
        desk = AlertDesk(database, settings)
        conditions = conditions_of(load_service(config).recipes, settings)
        store = AlertStore(database, desk, conditions, settings.max_charts, AlertMetrics(CollectorRegistry()))
        store.token()
        num_read = 0
        with closing(log.tail(Start(earliest=True))) as tail:
            while num_read < PIECES:
                entries = entries_of(tail.poll(1.0))
                store.store(entries, resume_token.encode(tail.position()))
                num_read += len(entries)
        return all_alerts(desk)


def all_alerts(desk: AlertDesk) -> list[Alert]:
    return sorted([*desk.overview().alerts, *desk.resolved(200)], key=lambda alert: alert.key)


@pytest.fixture
def embedded_log() -> tuple[str, str]:
    """The prefix of the topics, and the table [log]."""
    return "inspection", 'kind = "embedded"\npath = "log.sqlite"'


@pytest.fixture
def kafka_log(bootstrap: str) -> tuple[str, str]:
    prefix = f"alerts-killed-{uuid.uuid4().hex[:6]}"
    settings = KafkaSettings(bootstrap_servers=(bootstrap,), group=prefix)
    create_topics(settings, prefix, ["a"], TopicPlan(partitions=1))
    return prefix, f'kind = "kafka"\nbootstrap_servers = ["{bootstrap}"]\ngroup = "{prefix}"'


@pytest.fixture
def run(
    log_kind: str, database_kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    prefix, log = request.getfixturevalue(f"{log_kind}_log")
    url, password = f"sqlite:///{tmp_path / 'archive.sqlite'}", ""
    if database_kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
        password = url.split(":")[2].split("@")[0]
        monkeypatch.setenv("DB_PASSWORD", password)
    (tmp_path / "cup.toml").write_text(camera_recipe_text(more=RULES))
    config = tmp_path / "service.toml"
    with running_receiver() as receiver, closing(Database(url)) as database:
        upgrade(database)
        without = url.replace(f":{password}@", "@") if password else url
        line = 'password_env = "DB_PASSWORD"' if password else ""
        config.write_text(CONFIG.format(prefix=prefix, log=log, database=without, password=line, hook=receiver.url))
        yield Run(config, prefix, database, receiver)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("log_kind", "database_kind"),
    [
        ("embedded", "sqlite"),
        pytest.param("embedded", "postgresql", marks=pytest.mark.broker),
        pytest.param("kafka", "postgresql", marks=pytest.mark.broker),
    ],
)
def test_floor_and_receiver_that_are_killed_again_and_again_raise_and_deliver_each_alert_once(run: Run) -> None:
    verdicts, draws, receiver = shift(), random.Random(1), run.receiver
    with closing(open_log(run.config, load_service(run.config).config)) as log:
        for number in range(KILLS):
            if number % 2:
                receiver.kill()
            run.killed_within(log, verdicts[number * PIECES // KILLS : (number + 1) * PIECES // KILLS], draws)
            if number % 2:
                receiver.start()
        expected = undisturbed(log, run.config)
    keys = {alert.key for alert in expected}
    ended = {alert.key for alert in expected if not alert.is_open}
    with floor(run.config):
        eventually(lambda: {each["key"] for each in receiver.bodies} >= keys, WAIT_S)
        eventually(lambda: {each["key"] for each in receiver.bodies if each["event"] == "resolved"} >= ended, WAIT_S)
    alerts = all_alerts(AlertDesk(run.database, AlertSettings()))
    assert [(alert.key, alert.detail, alert.state) for alert in alerts] == [
        (alert.key, alert.detail, alert.state) for alert in expected
    ]
    assert len(expected) >= 4
    assert {each["key"] for each in receiver.bodies} == keys
