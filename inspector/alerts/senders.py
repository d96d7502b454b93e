"""Opens the sender of a target."""

from inspector.alerts.alertmanager import AlertmanagerSender
from inspector.alerts.desk import AlertDesk
from inspector.alerts.sending import Sender
from inspector.alerts.settings import AlertmanagerSettings, AlertSettings, MqttSettings, Target, WebhookSettings
from inspector.alerts.webhook import WebhookSender


class TargetError(Exception):
    """A target cannot be used as configured; the message says what to change."""


def open_sender(target: Target, settings: AlertSettings, desk: AlertDesk) -> Sender:
    """Connects to nothing yet. Raises TargetError."""
    match target:
        case AlertmanagerSettings():
            return AlertmanagerSender(target, settings.link, lambda since_ns: desk.delivered(target.name, since_ns))
        case WebhookSettings():
            return WebhookSender(target)
        case MqttSettings():
            return _mqtt(target)


def _mqtt(target: MqttSettings) -> Sender:
    try:
        from inspector.alerts.mqtt import MqttSender
    except ModuleNotFoundError as exc:
        raise TargetError(
            f"the target {target.name} needs paho-mqtt, which is not installed: in the checkout, pip install '.[mqtt]'"
        ) from exc
    return MqttSender(target)
