"""Deliveries over TLS: a server of an authority that is not trusted gets nothing."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from inspector.alerts.mqtt import MqttSender
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError
from inspector.alerts.settings import MqttSettings, TlsClient, WebhookSettings
from inspector.alerts.webhook import WebhookSender
from tests.inspector.alerts.receiver import Receiver
from tests.servers.process import ServerProcess, free_port
from tests.servers.programs import required

PARCEL = Parcel(1, "key", 7, '{"line": "a", "station": "s", "condition": "c", "part": ""}', 0)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    other = trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    return ca


def test_a_webhook_over_tls_trusts_the_authority_that_is_named(tmp_path: Path, authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    receiver = Receiver(tls=context)
    receiver.start()
    try:
        url = receiver.url.replace("http:", "https:")
        WebhookSender(WebhookSettings("hook", url, tls=TlsClient(tmp_path / "ca.pem"))).send(PARCEL)
        for tls in (None, TlsClient(tmp_path / "other.pem")):
            with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
                WebhookSender(WebhookSettings("hook", url, tls=tls)).send(PARCEL)
    finally:
        receiver.stop()
    assert len(receiver.received) == 1


@contextmanager
def broker_with_tls(folder: Path, authority: trustme.CA) -> Iterator[ServerProcess]:
    """Asks clients for a certificate, too."""
    port, cert = free_port(), authority.issue_cert("127.0.0.1", "localhost")
    cert.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    lines = [
        f"listener {port} 127.0.0.1",
        "user root",
        "allow_anonymous true",
        f"cafile {folder / 'ca.pem'}",
        f"certfile {folder / 'server.pem'}",
        f"keyfile {folder / 'server.pem'}",
        "require_certificate true",
    ]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    command = [str(required("mosquitto")), "-c", str(folder / "mosquitto.conf")]
    server = ServerProcess(command, port, folder / "mosquitto.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.broker
def test_a_broker_over_tls_gets_events_of_a_client_with_a_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    client = tmp_path / "client.pem"
    authority.issue_cert("line-1").private_key_and_cert_chain_pem.write_to_path(client)
    # paho-mqtt 2.2 leaves the socket of a failed handshake to the garbage collector.
    with broker_with_tls(tmp_path, authority) as server:
        known = MqttSender(MqttSettings("b", port=server.port, tls=TlsClient(tmp_path / "ca.pem", client, client)))
        known.send(PARCEL)
        known.close()
        for tls in (TlsClient(tmp_path / "other.pem"), TlsClient(tmp_path / "ca.pem")):
            with pytest.raises(DeliveryError):
                MqttSender(MqttSettings("b", port=server.port, tls=tls, timeout_s=5)).send(PARCEL)
