"""Settings of alerts: conditions that are watched in addition to those of recipes, and targets of alerts.

Their defaults and meanings are stated here only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["act_now", "look_later"]


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is read from, at each connection: so that a new one is used without a restart."""

    env: str | None = None
    """Name of the environment variable that holds it."""
    file: Path | None = None
    """File that holds it, on one line."""


@dataclass(frozen=True, slots=True)
class TlsClient:
    """TLS towards a server; without files the system's authorities are trusted."""

    ca_file: Path | None = None
    """Authorities that are trusted, PEM."""
    cert_file: Path | None = None
    """This client's certificate, PEM."""
    key_file: Path | None = None
    """Its key, not encrypted."""


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """A Prometheus Alertmanager, over its API v2."""

    name: str
    """Name of this target, in metrics and log lines."""
    url: str = "http://127.0.0.1:9093"
    """Its address, with the path before `/api/v2` where there is one."""
    token: Secret | None = None
    tls: TlsClient | None = None
    resend_s: float = 60.0
    """Open alerts are sent again this often: Alertmanager forgets them when it restarts. An alert that is not sent
    again ends there after four times as long."""
    hold_s: float = 60.0
    """The end of an alert follows its beginning after this time at least: longer than the `group_wait` of Alertmanager,
    which reports no alert that ended before."""
    timeout_s: float = 10.0
    """Limit of one request."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """An HTTP server that takes each event as JSON, by POST."""

    name: str
    """Name of this target, in metrics and log lines."""
    url: str = ""
    """Where events are posted."""
    token: Secret | None = None
    """Sent as `Authorization: Bearer …`."""
    tls: TlsClient | None = None
    timeout_s: float = 10.0
    """Limit of one request."""


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """An MQTT broker."""

    name: str
    """Name of this target, in metrics and log lines."""
    host: str = "127.0.0.1"
    """Where the broker is."""
    port: int = 1883
    """Its port; 8883 is usual with TLS."""
    client_id: str = "inspector-alerts"
    """Unique among the clients of the broker, and the same after a restart."""
    topic: str = "inspection/alerts"
    """First part of the topics: `<topic>/events` has each event, `<topic>/state/<line>/<station>/<condition>` keeps the
    last state of each condition (retained), `<topic>/online` is `1` while the service is connected (retained)."""
    username: str | None = None
    password: Secret | None = None
    tls: TlsClient | None = None
    timeout_s: float = 10.0
    """Limit of connecting, and of one delivery."""


Target = AlertmanagerSettings | WebhookSettings | MqttSettings


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """One set for a whole floor."""

    max_wait_s: float = 10.0
    """`lag`: pieces of a station wait longer than this from their last record to their decision: 5 of 10."""
    silent_pieces: int = 3
    """`silent`: a camera or sensor gave nothing for so many pieces in a row."""
    stuck_pieces: int = 3
    """`stuck`: a camera or sensor gave the same recording for so many pieces in a row."""
    late_pieces: int = 5
    """`deadline`: so many of the last 100 verdicts of a station missed their recipe's deadline."""
    engine_faults: int = 1
    """`engine-fault`: an engine failed on so many of the last 100 pieces of a station."""
    max_charts: int = 10_000
    """Charts kept: one for each condition and station, and for each camera or sensor where these are watched."""
    tell_within_s: float = 86_400.0
    """An alert that began longer ago, found while a floor catches up, is shown on the page and not sent out, unless it
    is still open when the line runs."""
    keep_days: float = 400.0
    """Resolved alerts and their history are removed after this time."""
    max_undelivered: int = 10_000
    """Events kept for one target that does not answer; of more, the oldest is dropped."""
    link: str = ""
    """Address of the page that alerts link to, such as `http://line-1:8080`, where it is not `[web] public_url`."""
    targets: tuple[Target, ...] = ()
    """Where alerts are delivered."""
