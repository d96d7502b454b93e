"""Delivers events over MQTT (QoS 1): every event, and the last state of each place as a retained message."""

import json
import time
from collections import deque
from collections.abc import Callable
from threading import Event
from urllib.parse import quote

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError, read_secret, tls_context
from inspector.alerts.settings import MqttSettings

KEEPALIVE_S = 30
WAIT_S = 0.2
REPEAT_S, MAX_RECENT = 60.0, 200
"""After a new connection, events that were delivered within this time are sent again, at most so many."""


class MqttSender:
    """Implements `Sender`. Connects again after each failure. Events that the broker did not confirm are sent again,
    and so are those that it confirmed shortly before, because a broker that is killed loses them."""

    def __init__(self, settings: MqttSettings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock_s = settings, clock_s
        self._connection: _Connection | None = None
        self._recent = deque[tuple[float, Parcel]](maxlen=MAX_RECENT)

    def send(self, parcel: Parcel) -> None:
        try:
            self._publish(parcel)
        except DeliveryError:
            self.close()
            raise
        self._recent.append((self._clock_s(), parcel))

    def refresh(self) -> None:
        """Keeps the connection, so that `online` is true and a will is left."""
        if self._connection is not None and self._connection.lost:
            self.close()
        try:
            self._connected()
        except DeliveryError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _publish(self, parcel: Parcel) -> None:
        connection, topic = self._connected(), self._settings.topic
        connection.publish(f"{topic}/events", parcel.body, retain=False)
        place = state_topic(json.loads(parcel.body))
        connection.publish(f"{topic}/state/{place}", parcel.body, retain=True)

    def _repeat(self) -> None:
        """Raises DeliveryError."""
        for sent_s, parcel in list(self._recent):
            if self._clock_s() - sent_s <= REPEAT_S:
                self._publish(parcel)

    def _connected(self) -> "_Connection":
        if self._connection is None:
            connection = _Connection(self._settings)
            try:
                connection.open()
            except DeliveryError:
                connection.close()
                raise
            self._connection = connection
            self._repeat()
        return self._connection


def state_topic(alert: dict[str, str]) -> str:
    """The last part of the topic of a place: names come from the wire, so the signs that mean something in topics are
    written as in addresses."""
    levels = [alert["line"] or "-", alert["station"] or "-", *alert["condition"].split("/")]
    if alert["part"]:
        levels.append(alert["part"])
    return "/".join(quote(level, safe=" ") for level in levels)


class _Connection:
    """One connection to the broker, from `open` to `close`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._answered = Event()
        self._refusal = ""
        self.lost = False
        self._name = f"mqtt://{settings.host}:{settings.port}"
        client = Client(CallbackAPIVersion.VERSION2, settings.client_id, reconnect_on_failure=False)
        client.connect_timeout = settings.timeout_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.will_set(f"{settings.topic}/online", "0", qos=1, retain=True)
        self._client = client

    def open(self) -> None:
        """Raises DeliveryError."""
        settings = self._settings
        if settings.username is not None:
            password = None if settings.password is None else read_secret(settings.password)
            self._client.username_pw_set(settings.username, password)
        if settings.tls is not None:
            self._client.tls_set_context(tls_context(settings.tls))
        try:
            self._client.connect(settings.host, settings.port, KEEPALIVE_S)
        except (OSError, ValueError) as exc:
            raise DeliveryError(f"{self._name}: {exc or type(exc).__name__}") from exc
        self._client.loop_start()
        if not self._answered.wait(settings.timeout_s):
            raise DeliveryError(f"{self._name} does not answer")
        if self._refusal:
            raise DeliveryError(f"{self._name} refuses the connection: {self._refusal}")
        self.publish(f"{settings.topic}/online", "1", retain=True)

    def publish(self, topic: str, body: str, *, retain: bool) -> None:
        """Returns once the broker has confirmed it. Raises DeliveryError."""
        try:
            info = self._client.publish(topic, body, qos=1, retain=retain)
            self._wait(info)
        except (OSError, ValueError, RuntimeError) as exc:
            raise DeliveryError(f"{self._name}: {exc}") from exc
        if not info.is_published():
            raise DeliveryError(f"{self._name} has not confirmed a message")

    def _wait(self, info: MQTTMessageInfo) -> None:
        """Until it is confirmed, the time is over or the connection is lost."""
        end_s = time.monotonic() + self._settings.timeout_s
        while not (info.is_published() or self.lost) and time.monotonic() < end_s:
            info.wait_for_publish(WAIT_S)

    def close(self) -> None:
        """Says goodbye where the connection still stands."""
        if not self.lost and self._client.is_connected():
            self._client.publish(f"{self._settings.topic}/online", "0", qos=1, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _: Client, __: object, flags: ConnectFlags, code: ReasonCode, ___: Properties | None) -> None:
        self._refusal = str(code) if code.is_failure else ""
        self._answered.set()

    def _on_disconnect(
        self, _: Client, __: object, flags: DisconnectFlags, code: ReasonCode, ___: Properties | None
    ) -> None:
        self.lost = True
        self._answered.set()
