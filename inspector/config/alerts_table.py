"""The table [alerts] of a configuration: conditions in addition to those of recipes, and targets of alerts."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from inspector.alerts.settings import (
    AlertmanagerSettings,
    AlertSettings,
    MqttSettings,
    Secret,
    Target,
    TlsClient,
    WebhookSettings,
)
from inspector.config.tables import ClientTlsTable, ExistingFile, Name, Seconds, Table
from inspector.config.urls import HttpUrl, http_url

_ALERTS, _MQTT = AlertSettings(), MqttSettings("")
_ALERTMANAGER, _WEBHOOK = AlertmanagerSettings(""), WebhookSettings("")


def _topic(value: str) -> str:
    if not value.strip("/") or value != value.strip("/") or any(sign in value for sign in "+#\0$") or len(value) > 256:
        raise ValueError("is no topic; write levels like inspection/alerts, without + # and $")
    return value


Topic = Annotated[str, AfterValidator(_topic)]


class TargetTlsTable(ClientTlsTable):
    """TLS towards a server; without files the system's authorities are trusted."""

    meanings_from: ClassVar[type] = TlsClient

    @property
    def files(self) -> TlsClient:
        return TlsClient(self.ca_file, self.cert_file, self.key_file)


class TargetTable(Table):
    """What all targets have in common."""

    name: Name
    tls: TargetTlsTable | None = None
    """Certificates; without the table, those that the system trusts."""
    timeout_s: Seconds = _WEBHOOK.timeout_s

    @property
    def tls_client(self) -> TlsClient | None:
        return None if self.tls is None else self.tls.files


class HttpTargetTable(TargetTable):
    """A target over HTTP."""

    token_env: str | None = None
    """Name of the environment variable with a token, which is sent as `Authorization: Bearer …`."""
    token_file: ExistingFile | None = None
    """File with the token, in place of the variable."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("has both token_env and token_file; give one of them")
        return self

    @property
    def token(self) -> Secret | None:
        return _secret(self.token_env, self.token_file)


class AlertmanagerTable(HttpTargetTable):
    """A Prometheus Alertmanager, over its API v2."""

    meanings_from: ClassVar[type] = AlertmanagerSettings

    url: HttpUrl = _ALERTMANAGER.url
    resend_s: Seconds = _ALERTMANAGER.resend_s
    hold_s: float = Field(default=_ALERTMANAGER.hold_s, ge=0, le=3600)

    @property
    def settings(self) -> AlertmanagerSettings:
        return AlertmanagerSettings(
            self.name, self.url, self.token, self.tls_client, self.resend_s, self.hold_s, self.timeout_s
        )


class WebhookTable(HttpTargetTable):
    """An HTTP server that takes each event as JSON, by POST."""

    meanings_from: ClassVar[type] = WebhookSettings

    url: HttpUrl

    @property
    def settings(self) -> WebhookSettings:
        return WebhookSettings(self.name, self.url, self.token, self.tls_client, self.timeout_s)


class MqttTable(TargetTable):
    """An MQTT broker."""

    meanings_from: ClassVar[type] = MqttSettings

    host: str = Field(default=_MQTT.host, min_length=1, max_length=253)
    port: int = Field(default=_MQTT.port, ge=1, le=65_535)
    client_id: str = Field(default=_MQTT.client_id, min_length=1, max_length=64)
    topic: Topic = _MQTT.topic
    username: str | None = Field(default=_MQTT.username, min_length=1)
    """Name to log in with; without it, none."""
    password_env: str | None = None
    """Name of the environment variable that holds the password."""
    password_file: ExistingFile | None = None
    """File that holds the password, in place of the variable."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        given = [self.password_env is not None, self.password_file is not None]
        if all(given) or (any(given) and self.username is None):
            raise ValueError("needs one of password_env and password_file beside a username; correct it")
        return self

    @property
    def settings(self) -> MqttSettings:
        return MqttSettings(
            self.name,
            self.host,
            self.port,
            self.client_id,
            self.topic,
            self.username,
            _secret(self.password_env, self.password_file),
            self.tls_client,
            self.timeout_s,
        )


class AlertsTable(Table):
    """What is watched beside the alerts of the recipes, and where alerts are delivered."""

    meanings_from: ClassVar[type] = AlertSettings

    enabled: bool = True
    """Raises alerts. They need the archive, whose database keeps them."""
    max_wait_s: Seconds = _ALERTS.max_wait_s
    silent_pieces: int = Field(default=_ALERTS.silent_pieces, ge=1, le=1000)
    stuck_pieces: int = Field(default=_ALERTS.stuck_pieces, ge=1, le=1000)
    late_pieces: int = Field(default=_ALERTS.late_pieces, ge=1, le=100)
    engine_faults: int = Field(default=_ALERTS.engine_faults, ge=1, le=100)
    max_charts: int = Field(default=_ALERTS.max_charts, ge=10, le=1_000_000)
    tell_within_s: Seconds = _ALERTS.tell_within_s
    keep_days: float = Field(default=_ALERTS.keep_days, gt=0, le=36_500)
    max_undelivered: int = Field(default=_ALERTS.max_undelivered, ge=100, le=1_000_000)
    link: Annotated[str, Field(max_length=500)] = _ALERTS.link
    alertmanagers: tuple[AlertmanagerTable, ...] = ()
    """Alertmanagers that get all alerts."""
    webhooks: tuple[WebhookTable, ...] = ()
    """HTTP servers that get all events."""
    mqtt: tuple[MqttTable, ...] = ()
    """MQTT brokers that get all events."""

    @model_validator(mode="after")
    def _names_are_one_each(self) -> Self:
        names = [target.name for target in (*self.alertmanagers, *self.webhooks, *self.mqtt)]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the target names {doubled} are used more than once; each needs a name of its own")
        if self.link:
            http_url(self.link)
        return self

    @property
    def settings(self) -> AlertSettings:
        targets: list[Target] = [
            *(target.settings for target in self.alertmanagers),
            *(target.settings for target in self.webhooks),
            *(target.settings for target in self.mqtt),
        ]
        others = self.model_dump(exclude={"enabled", "alertmanagers", "webhooks", "mqtt"})
        return AlertSettings(**others, targets=tuple(targets))


def _secret(env: str | None, file: ExistingFile | None) -> Secret | None:
    return None if env is None and file is None else Secret(env, file)
