"""The floor is killed while verdicts come: no alert is missed, and none is raised or delivered under two keys."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.alerts.alert import Alert
from inspector.alerts.conditions import conditions_of
from inspector.alerts.desk import AlertDesk
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.settings import AlertSettings
from inspector.alerts.store import AlertStore
from inspector.archive.database import Database
from inspector.config.opening import open_log
from inspector.config.service import load_service
from inspector.verdicts.ring import entries_of
from streams import resume_token
from streams.embedded.log import EmbeddedLog
from streams.log import Start
from tests.inspector.alerts.delivering import eventually
from tests.inspector.alerts.line import FAIL, PASS, publish, verdict
from tests.inspector.alerts.receiver import running_receiver

RECIPE = """
name = "cup"
version = "1"
bundle = "b"
[[cameras]]
name = "top"
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
lines = ["a"]
recipes = ["cup.toml"]
[log]
kind = "embedded"
path = "log.sqlite"
[web]
enabled = false
[archive]
min_free_bytes = 0
database = "{database}"
[[alerts.webhooks]]
name = "hook"
url = "{url}"
"""
PIECES, KILLS = 1500, 6


def shift() -> list:
    """Three bad spells."""
    draws = random.Random(4)
    shares = [0.4 if number // 100 in (3, 7, 12) else 0.005 for number in range(PIECES)]
    return [verdict(number, FAIL if draws.random() < share else PASS) for number, share in enumerate(shares)]


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


def undisturbed(log: EmbeddedLog, config: Path, folder: Path) -> list[Alert]:
    """The alerts that one reading of the whole log raises."""
    with closing(Database(f"sqlite:///{folder / 'undisturbed.sqlite'}")) as database:
        settings = AlertSettings()
        desk = AlertDesk(database, settings)
        conditions = conditions_of(load_service(config).recipes, settings)
        store = AlertStore(database, desk, conditions, settings.max_charts, AlertMetrics(CollectorRegistry()))
        store.token()
        with closing(log.tail(Start(earliest=True))) as tail:
            while records := tail.poll(1.0):
                store.store(entries_of(records), resume_token.encode(tail.position()))
        return all_alerts(desk)


def all_alerts(desk: AlertDesk) -> list[Alert]:
    return sorted([*desk.overview().alerts, *desk.resolved(200)], key=lambda alert: alert.key)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_floor_that_is_killed_again_and_again_raises_and_delivers_each_alert_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = "sqlite:///archive.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    password = ""
    if kind == "postgresql":
        password = url.split(":")[2].split("@")[0]
        url = url.replace(f":{password}@", "@")
    with running_receiver() as receiver:
        config = tmp_path / "service.toml"
        (tmp_path / "cup.toml").write_text(RECIPE)
        text = CONFIG.format(database=url, url=receiver.url)
        config.write_text(text.replace("[[alerts", 'password_env = "DB_PASSWORD"\n[[alerts', 1) if password else text)
        request.getfixturevalue("monkeypatch").setenv("DB_PASSWORD", password or "none")
        service = load_service(config)
        with closing(open_log(config, service.config)) as log:
            assert isinstance(log, EmbeddedLog)
            verdicts, draws = shift(), random.Random(1)
            for number in range(KILLS):
                with floor(config) as process:
                    for start in range(number * 250, number * 250 + 250, 25):
                        publish(log, verdicts[start : start + 25])
                        process_wait(process, draws.random() * 0.4)
            expected = undisturbed(log, config, tmp_path)
            keys = {alert.key for alert in expected}
            ended = {alert.key for alert in expected if not alert.is_open}
            with floor(config):
                eventually(lambda: {each["key"] for each in receiver.bodies} >= keys, 120.0)
                eventually(lambda: {b["key"] for b in receiver.bodies if b["event"] == "resolved"} >= ended, 120.0)
        with closing(Database(database_url(url, password, tmp_path))) as database:
            alerts = all_alerts(AlertDesk(database, AlertSettings()))
    assert [(alert.key, alert.detail, alert.state) for alert in alerts] == [
        (alert.key, alert.detail, alert.state) for alert in expected
    ]
    assert len(expected) >= 4
    assert {each["key"] for each in receiver.bodies} == keys


def database_url(url: str, password: str, folder: Path) -> str:
    if not password:
        return f"sqlite:///{folder / 'archive.sqlite'}"
    return url.replace("@", f":{password}@")


def process_wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """The floor reads meanwhile."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("the floor ended by itself")
