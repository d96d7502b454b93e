"""Delivers events to a webhook. A receiver tells repetitions by the header `Idempotency-Key`."""

from inspector.alerts.http_target import HttpTarget
from inspector.alerts.outbox import Parcel
from inspector.alerts.settings import WebhookSettings


class WebhookSender:
    """Implements `Sender`."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._target = HttpTarget(settings.url, settings.token, settings.tls, settings.timeout_s)

    def send(self, parcel: Parcel) -> None:
        self._target.post(parcel.body, {"Idempotency-Key": f"{parcel.alert_key}-{parcel.event}"})

    def refresh(self) -> None:
        """Nothing is repeated."""

    def close(self) -> None:
        """Nothing is open."""
