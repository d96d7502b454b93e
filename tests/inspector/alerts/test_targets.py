"""Delivery to a real Alertmanager and a real mosquitto, which are killed and started again."""

import json
import random
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from inspector.alerts import courier
from inspector.alerts.mqtt import MqttSender, state_topic
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError
from inspector.alerts.settings import AlertmanagerSettings, MqttSettings, Secret, TlsClient, WebhookSettings
from inspector.archive.database import Database
from tests.inspector.alerts.delivering import Deliveries, eventually
from tests.inspector.alerts.receiver import Receiver, running_receiver
from tests.servers.alertmanager import running_alertmanager
from tests.servers.mosquitto import running_mosquitto
from tests.servers.process import ServerProcess, free_port
from tests.servers.programs import required


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "POLL_S", 0.05)
    monkeypatch.setattr(courier, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(courier, "MAX_DELAY_S", 0.3)


def manager(port: int, hold_s: float = 1.5) -> AlertmanagerSettings:
    return AlertmanagerSettings("manager", f"http://127.0.0.1:{port}", resend_s=1.0, hold_s=hold_s)


class Subscriber:
    """Takes every message below a topic, also after the broker was restarted."""

    def __init__(self, port: int, topic: str = "#") -> None:
        self.messages: list[MQTTMessage] = []
        self.subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = lambda _, __, message: self.messages.append(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.subscribed.wait(60)

    def bodies(self, ending: str) -> list[dict[str, str]]:
        messages = [message for message in list(self.messages) if message.topic.endswith(ending)]
        return [json.loads(message.payload) for message in messages]

    def alerts(self) -> list[dict[str, str]]:
        """Events and states: a subscriber that lost its session at the broker learns the states when it comes back."""
        return [json.loads(message.payload) for message in list(self.messages) if "/online" not in message.topic]

    def last(self, topic: str) -> str | None:
        payloads = [message.payload.decode() for message in list(self.messages) if message.topic == topic]
        return payloads[-1] if payloads else None

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def active_at(port: int) -> dict[str, dict[str, object]]:
    """What Alertmanager knows, by our key."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=60) as answer:
        return {alert["labels"]["inspector_key"]: alert for alert in json.loads(answer.read())}


def notices(receiver: Receiver) -> list[tuple[str, str]]:
    """Status and key of each alert in Alertmanager's own posts."""
    return [(a["status"], a["labels"]["inspector_key"]) for body in receiver.bodies for a in body["alerts"]]  # type: ignore[index]


@pytest.mark.broker
def test_alertmanager_notifies_of_beginning_and_end(sqlite: Database, tmp_path: Path) -> None:
    with running_receiver() as receiver, running_alertmanager(tmp_path, receiver.url) as server:
        deliveries = Deliveries(sqlite, manager(server.port))
        alert = deliveries.raised(1)
        with deliveries.running():
            eventually(lambda: alert.key in active_at(server.port))
            shown = active_at(server.port)[alert.key]
            deliveries.desk.acknowledge(alert.key, "Ann", "looking")
            eventually(lambda: '"acknowledged_by": "Ann"' in json.dumps(active_at(server.port)))
            deliveries.resolved(alert)
            eventually(lambda: ("resolved", alert.key) in notices(receiver))
    assert shown["labels"] == {
        "alertname": "cup/cracks", "inspector_key": alert.key, "severity": "critical", "line": "a", "station": "s1"
    }  # fmt: skip
    assert shown["generatorURL"] == f"http://page/alerts/{alert.key}"
    assert notices(receiver)[0] == ("firing", alert.key)


@pytest.mark.broker
def test_an_alert_that_was_short_and_delivered_late_is_notified_all_the_same(sqlite: Database, tmp_path: Path) -> None:
    with running_receiver() as receiver, running_alertmanager(tmp_path, receiver.url) as server:
        deliveries = Deliveries(sqlite, manager(server.port))
        alert = deliveries.raised(1)
        deliveries.resolved(alert)
        with deliveries.running():
            eventually(lambda: ("resolved", alert.key) in notices(receiver))
    assert ("firing", alert.key) in notices(receiver)


@pytest.mark.broker
def test_an_open_alert_stays_open_at_alertmanager_through_its_restart_and_a_silence(
    sqlite: Database, tmp_path: Path
) -> None:
    with running_alertmanager(tmp_path) as server:
        deliveries = Deliveries(sqlite, manager(server.port))
        alert = deliveries.raised(1)
        with deliveries.running():
            eventually(lambda: alert.key in active_at(server.port))
            deliveries.desk.silence(alert.key, 3600, "Ann", "")
            server.kill()
            server.start()
            eventually(lambda: alert.key in active_at(server.port))
            deliveries.resolved(alert)
            eventually(lambda: active_at(server.port).get(alert.key) is None)


def test_mqtt_has_each_event_and_keeps_the_last_state(sqlite: Database, mosquitto: ServerProcess) -> None:
    subscriber = Subscriber(mosquitto.port, "states/#")
    deliveries = Deliveries(sqlite, MqttSettings("broker", port=mosquitto.port, client_id="states", topic="states"))
    alert = deliveries.raised(1)
    with deliveries.running():
        deliveries.resolved(alert)
        eventually(lambda: len(subscriber.bodies("states/events")) == 2)
        assert subscriber.last("states/online") == "1"
    eventually(lambda: subscriber.last("states/online") == "0")
    subscriber.close()
    late = Subscriber(mosquitto.port, "states/state/#")
    eventually(lambda: len(late.messages) >= 1)
    late.close()
    kept = late.bodies("states/state/a/s1/cup/cracks")[-1]
    assert (kept["key"], kept["state"]) == (alert.key, "resolved")
    assert [each["event"] for each in subscriber.bodies("states/events")] == ["raised", "resolved"]


def test_names_from_the_wire_cannot_break_a_topic() -> None:
    topic = state_topic({"line": "a", "station": "s+1/#", "condition": "cup/cracks", "part": "$mic"})
    assert topic == "a/s%2B1%2F%23/cup/cracks/%24mic"
    assert state_topic({"line": "", "station": "", "condition": "archive", "part": ""}) == "-/-/archive"


PARCEL = Parcel(1, "key", 7, '{"line": "a", "station": "s", "condition": "c", "part": ""}', 0)


@contextmanager
def guarded_broker(folder: Path) -> Iterator[ServerProcess]:
    """A mosquitto that asks for a password."""
    port = free_port()
    password, config = folder / "passwords", folder / "mosquitto.conf"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(password), "line", "broker-secret"], check=True)
    config.write_text(f"listener {port} 127.0.0.1\nuser root\npassword_file {password}\n")
    server = ServerProcess([str(required("mosquitto")), "-c", str(config)], port, folder / "log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.broker
def test_the_password_of_a_broker_is_read_from_its_file_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    with guarded_broker(tmp_path) as server:
        settings = MqttSettings("broker", port=server.port, username="line", password=Secret(file=secret), timeout_s=10)
        secret.write_text("wrong-secret")
        sender = MqttSender(settings)
        with pytest.raises(DeliveryError, match="refuses the connection") as refused:
            sender.send(PARCEL)
        secret.write_text("broker-secret\n")
        sender.send(PARCEL)
        sender.close()
    assert "secret" not in str(refused.value) + caplog.text


def test_a_broker_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = MqttSender(MqttSettings("broker", port=silent.getsockname()[1], timeout_s=0.5))
        with pytest.raises(DeliveryError, match="does not answer"):
            sender.send(PARCEL)


def test_a_broker_that_is_away_or_has_unusable_certificates_is_said() -> None:
    with pytest.raises(DeliveryError, match="mqtt://127"):
        MqttSender(MqttSettings("broker", port=free_port(), timeout_s=1)).send(PARCEL)
    with pytest.raises(DeliveryError, match="TLS cannot be used"):
        MqttSender(MqttSettings("broker", tls=TlsClient(Path("/no/such.pem")))).send(PARCEL)


@pytest.mark.broker
def test_receivers_that_are_killed_and_started_again_miss_no_alert_and_get_none_under_two_keys(
    sqlite: Database, tmp_path: Path
) -> None:
    draws = random.Random(5)
    servers: list[Receiver | ServerProcess]
    with (
        running_receiver() as hook,
        running_receiver() as behind_manager,
        running_alertmanager(tmp_path, behind_manager.url) as alertmanager,
        running_mosquitto(tmp_path) as mosquitto,
    ):
        servers = [hook, alertmanager, mosquitto]
        subscriber = Subscriber(mosquitto.port)
        deliveries = Deliveries(
            sqlite,
            WebhookSettings("hook", hook.url),
            manager(alertmanager.port, hold_s=3.0),
            MqttSettings("broker", port=mosquitto.port),
        )
        with deliveries.running():
            for number in range(0, 24, 3):
                alerts = [deliveries.raised(number + each) for each in range(3)]
                killed = draws.choice(servers)
                killed.kill()
                for alert in alerts[:2]:
                    deliveries.resolved(alert)
                killed.start()
            eventually(lambda: deliveries.num_undelivered() == 0)
            keys = deliveries.all_keys()
            ended = {alert.key for alert in deliveries.desk.resolved(200)}
            eventually(lambda: {("resolved", key) for key in ended} <= set(notices(behind_manager)))
            eventually(lambda: {each["key"] for each in subscriber.alerts()} == keys)
        subscriber.close()
    assert len(keys) == 24
    assert {key for status, key in notices(behind_manager) if status == "firing"} == keys
    for bodies in (hook.bodies, subscriber.alerts()):
        assert {each["key"] for each in bodies} == keys
        assert {each["key"] for each in bodies if each["event"] == "resolved"} == ended
        assert len({(each["condition"], each["station"]) for each in bodies}) == len(keys)
