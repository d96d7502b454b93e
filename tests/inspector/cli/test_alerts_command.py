"""`inspector alerts`: list, acknowledge, silence, history and speed."""

import getpass
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.alerts.alert import Alert
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.place import Place
from inspector.alerts.settings import AlertSettings
from inspector.archive.database import Database
from inspector.cli import main
from inspector.cli.duration import seconds_of
from tests.inspector.archive.tables import make_tables
from tests.texts import camera_recipe_text, service_text

RULES = """
[[alerts]]
kind = "rate"
name = "defects"
before_percent = 2
after_percent = 6
takt_s = 0.0833333
[[alerts]]
kind = "score"
name = "worn"
sensor = "top"
takt_s = 1
hours_between_false_alarms = 24
"""
CONFIG = service_text("cup.toml")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "cup.toml").write_text(camera_recipe_text(more=RULES))
    path = tmp_path / "service.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def alert(config: Path) -> Iterator[Alert]:
    with closing(Database(f"sqlite:///{config.parent / 'archive.sqlite'}")) as database:
        make_tables(database)
        desk = AlertDesk(database, AlertSettings())
        finding = Finding(Place("cup/defects", "line-1", "press"), "act_now", "more defects\n\x1b[2J", "9 of 90")
        with database.write() as connection:
            raised = desk.raise_at(connection, finding, "v@1", 1_790_000_000_000_000_000)
        assert raised is not None
        yield raised


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    return result.exit_code, result.output


def test_an_alert_is_listed_acknowledged_silenced_and_remembered(config: Path, alert: Alert) -> None:
    code, text = call("alerts", "list", "--config", config)
    assert code == 0
    assert text.startswith(
        f"{alert.key[:12]} 2026-09-21 14:13:20Z act now: more defects\\n\\x1b[2J at line-1/press: 9 of 90"
    )
    start = alert.key[:6]
    code, text = call("alerts", "acknowledge", start, "--note", "looking", "--config", config)
    assert code == 0, text
    assert "acknowledged by " in text
    code, text = call("alerts", "silence", start, "--for", "1h30m", "--note", "known", "--config", config)
    assert code == 0, text
    assert "silenced until" in text
    assert call("alerts", "silence", start, "--end", "--config", config)[0] == 0
    _, text = call("alerts", "history", start, "--config", config)
    assert [line.split()[2].rstrip(":") for line in text.splitlines()[1:]] == [
        "raised",
        "acknowledged",
        "silenced",
        "silence",
    ]
    _, text = call("alerts", "list", "--json", "--config", config)
    assert json.loads(text)["state"] == "acknowledged"
    _, text = call("audit", "show", "--config", config)
    assert "alerts.acknowledge" in text
    assert "alerts.silence" in text


def test_without_alerts_it_says_so(config: Path) -> None:
    code, text = call("alerts", "list", "--config", config)
    assert code == 0
    assert text.endswith("no alert is open\n")
    assert call("alerts", "history", "--config", config) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("acknowledge", "abcd"), "no alert has the key 'abcd'"),
        (("acknowledge", "../x"), "give at least its first 4 hex digits"),
        (("silence", "abcd"), "give either --for or --end"),
        (("silence", "abcd", "--for", "soon"), "write 90m, 8h, 1h30m or 2d"),
    ],
)
def test_a_wrong_call_says_what_to_write(config: Path, arguments: tuple[str, ...], expected: str) -> None:
    code, text = call("alerts", *arguments, "--config", config)
    assert code != 0
    assert expected in " ".join(text.replace("│", " ").split())


def test_a_user_without_the_role_may_not_silence(config: Path, alert: Alert) -> None:
    rights = f'[access]\nallow_anonymous = true\n[access.os_users]\n{getpass.getuser()} = "operator"\n'
    config.write_text(CONFIG + rights)
    code, text = call("alerts", "silence", alert.key, "--for", "1h", "--config", config)
    assert code == 1
    assert "needs quality" in text
    assert call("alerts", "acknowledge", alert.key, "--config", config)[0] == 0


def test_the_speed_of_each_chart_is_stated(config: Path) -> None:
    _, text = call("alerts", "speed", "--config", config)
    rate, score = text.splitlines()
    assert rate == (
        "cup/defects: 2 -> 6 % is found after 294 pieces, 24 s, on average; a false alarm every 8.3 h at 2 %, "
        "for each station"
    )
    assert score.startswith("cup/worn: a shift of 1 standard deviations of top is found after ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("8h", 28_800), ("1h 30m", 5400), ("2d", 172_800), ("0.5h", 1800)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "soon", "1h later", "-1h"])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds_of(text)
