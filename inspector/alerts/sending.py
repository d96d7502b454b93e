"""Common to the senders of all targets: their interface, their errors, secrets and TLS."""

import os
import ssl
from typing import Protocol

from inspector.alerts.outbox import Parcel
from inspector.alerts.settings import Secret, TlsClient

MAX_SECRET_BYTES = 16 * 2**10


class DeliveryError(Exception):
    """The target cannot take events now; a later attempt may succeed."""


class RefusedError(Exception):
    """The target will never take this event."""


class TooEarlyError(Exception):
    """The event is held back for a time, and so is what follows for its alert."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"not before {wait_s:.1f} s from now")
        self.wait_s = wait_s


class Sender(Protocol):
    """Delivers events to one target. Belongs to one thread."""

    def send(self, parcel: Parcel) -> None:
        """Returns once the target has taken the event. Raises DeliveryError, RefusedError, TooEarlyError."""

    def refresh(self) -> None:
        """Called every second, between events: for what has to be repeated. Raises DeliveryError."""

    def close(self) -> None: ...


def read_secret(secret: Secret) -> str:
    """Raises DeliveryError, which names the place of the secret."""
    if secret.file is None:
        value = os.environ.get(secret.env or "", "")
        where = f"the environment variable {secret.env}"
    else:
        where = str(secret.file)
        try:
            with secret.file.open("rb") as file:
                value = file.read(MAX_SECRET_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            raise DeliveryError(f"the secret in {where} cannot be read ({why})") from exc
    if not value:
        raise DeliveryError(f"there is no secret in {where}: write it there")
    return value


def tls_context(tls: TlsClient | None) -> ssl.SSLContext:
    """Raises DeliveryError where a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=None if tls is None or tls.ca_file is None else str(tls.ca_file))
        if tls is not None and tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ValueError) as exc:
        raise DeliveryError(f"the files of TLS cannot be used: {exc}") from exc
    return context
