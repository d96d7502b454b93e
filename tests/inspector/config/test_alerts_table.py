"""The table [alerts]: targets as written, and what a wrong one is told."""

from pathlib import Path

import pytest

from inspector.alerts.settings import AlertmanagerSettings, AlertSettings, MqttSettings, Secret, WebhookSettings
from inspector.config.service import load_service_config
from inspector.recipe.problems import ConfigError
from tests.texts import service_text

CONFIG = service_text("x.toml", line="a")


def settings(tmp_path: Path, text: str) -> AlertSettings:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG + text)
    return load_service_config(path).alerts.settings


def test_without_the_table_alerts_are_raised_and_delivered_nowhere(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == AlertSettings()


def test_targets_are_as_written(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    text = """
[alerts]
link = "http://line-1:8080"
[[alerts.alertmanagers]]
name = "plant"
url = "https://alerts.plant:9093/am"
token_env = "AM_TOKEN"
hold_s = 0
[[alerts.webhooks]]
name = "mes"
url = "http://mes/hooks/7?x=1"
[[alerts.mqtt]]
name = "broker"
host = "broker.plant"
username = "line-1"
password_file = "password"
"""
    manager, hook, broker = settings(tmp_path, text).targets
    assert manager == AlertmanagerSettings(
        "plant", "https://alerts.plant:9093/am", Secret(env="AM_TOKEN"), hold_s=0
    )  # fmt: skip
    assert hook == WebhookSettings("mes", "http://mes/hooks/7?x=1")
    password = Secret(file=(tmp_path / "password").resolve())
    assert broker == MqttSettings("broker", "broker.plant", username="line-1", password=password)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[alerts.webhooks]]\nname = "a"\nurl = "ftp://x"', "is no address; write http://host:port"),
        (
            '[[alerts.webhooks]]\nname = "a"\nurl = "http://me:word@x/"',
            "holds a name or a password; give it as token_env",
        ),
        ('[[alerts.webhooks]]\nname = "a"\nurl = "http://x"\ntoken_env = "T"\ntoken_file = "service.toml"', "give one"),
        ('[[alerts.webhooks]]\nname = "a"\nurl = "http://x"\n[[alerts.mqtt]]\nname = "a"', "used more than once"),
        ('[[alerts.mqtt]]\nname = "a"\ntopic = "a/#"', "is no topic; write levels like inspection/alerts"),
        ('[[alerts.mqtt]]\nname = "a"\npassword_env = "P"', "beside a username"),
        ('[[alerts.mqtt]]\nname = "a"\npassword = "x"', "is not a known key"),
        ('[[alerts.mqtt]]\nname = "a"\n[alerts.mqtt.tls]\ncert_file = "service.toml"', "give both or neither"),
        ("[alerts]\nlate_pieces = 0", "alerts.late_pieces"),
        ('[alerts]\nlink = "page"', "is no address"),
    ],
)
def test_a_wrong_table_is_told_what_to_change(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as problems:
        settings(tmp_path, text)
    assert "me:word" not in str(problems.value)
