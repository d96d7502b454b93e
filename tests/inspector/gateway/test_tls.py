"""TLS and mutual TLS with test certificates, and refused clients without them."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from inspector.access.settings import AccessSettings
from inspector.client.client import Client, ClientError, ClientTls
from inspector.gateway.certificates import TlsFiles
from inspector.gateway.server import Gateway, GatewayError, check_exposure
from inspector.gateway.settings import GatewaySettings

ANYBODY = AccessSettings(allow_anonymous=True)
Gateways = Callable[..., Gateway]
Clients = Callable[..., Client]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger-ca.pem")
    for name, issuer in (("server", authority), ("client", authority), ("stranger", stranger)):
        issued = issuer.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return folder


def server(folder: Path, *, mutual: bool) -> TlsFiles:
    return TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem" if mutual else None)


def client_tls(folder: Path, name: str, ca: str = "ca") -> ClientTls:
    return ClientTls(folder / f"{ca}.pem", folder / f"{name}.pem", folder / f"{name}.key")


def test_tls(gateways: Gateways, clients: Clients, folder: Path) -> None:
    gateway = gateways(tls=server(folder, mutual=False))
    assert clients(gateway, ClientTls(folder / "ca.pem")).model().bundle == "demo"


def test_mutual_tls(gateways: Gateways, clients: Clients, folder: Path) -> None:
    gateway = gateways(tls=server(folder, mutual=True))
    assert clients(gateway, client_tls(folder, "client")).model().bundle == "demo"


@pytest.mark.parametrize("mutual", [False, True])
def test_clear_text_is_refused(gateways: Gateways, clients: Clients, folder: Path, mutual: bool) -> None:
    with pytest.raises(ClientError) as refused:
        clients(gateways(tls=server(folder, mutual=mutual))).model()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", [None, "stranger"])
def test_mutual_tls_wants_a_certificate_of_its_authority(
    gateways: Gateways, clients: Clients, folder: Path, name: str | None
) -> None:
    tls = ClientTls(folder / "ca.pem") if name is None else client_tls(folder, name)
    with pytest.raises(ClientError) as refused:
        clients(gateways(tls=server(folder, mutual=True)), tls).model()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


def test_the_client_checks_the_gateway(gateways: Gateways, clients: Clients, folder: Path) -> None:
    gateway = gateways(tls=server(folder, mutual=False))
    with pytest.raises(ClientError) as refused:
        clients(gateway, ClientTls(folder / "stranger-ca.pem")).model()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051", "gateway.example:50051"])
def test_off_loopback_needs_tls_or_a_flag(listen: str, folder: Path) -> None:
    with pytest.raises(GatewayError, match="allow_insecure"):
        check_exposure(GatewaySettings(listen=listen))
    check_exposure(GatewaySettings(listen=listen, allow_insecure=True, access=ANYBODY))
    check_exposure(GatewaySettings(listen=listen, tls=server(folder, mutual=False), access=ANYBODY))


def test_a_taken_address_is_said_at_start(gateways: Gateways) -> None:
    with pytest.raises(GatewayError, match="choose a free address"):
        gateways(listen=gateways().address)


def test_a_missing_certificate_is_reported_at_start(gateways: Gateways, folder: Path) -> None:
    with pytest.raises(GatewayError, match=r"nowhere\.pem.*check paths, permissions"):
        gateways(tls=TlsFiles(folder / "nowhere.pem", folder / "server.key"))


def test_a_renewed_certificate_is_used_without_a_restart(
    gateways: Gateways, clients: Clients, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections that stand go on; a renewal that does not fit is said and the one before it stays."""
    first, second = trustme.CA(), trustme.CA()
    first.cert_pem.write_to_path(tmp_path / "first.pem")
    second.cert_pem.write_to_path(tmp_path / "second.pem")
    _issue(first, tmp_path)
    gateway = gateways(tls=TlsFiles(tmp_path / "cert", tmp_path / "key"))
    standing = clients(gateway, ClientTls(tmp_path / "first.pem"))
    assert standing.model().bundle == "demo"
    (tmp_path / "key").write_bytes(second.issue_cert("127.0.0.1").private_key_pem.bytes())
    assert clients(gateway, ClientTls(tmp_path / "first.pem")).model().bundle == "demo"
    assert "The renewed certificate is invalid, the previous one stays in use" in caplog.text
    _issue(second, tmp_path)
    assert clients(gateway, ClientTls(tmp_path / "second.pem")).model().bundle == "demo"
    assert standing.model().bundle == "demo"
    with pytest.raises(ClientError):
        clients(gateway, ClientTls(tmp_path / "first.pem")).model()


def test_a_renewed_authority_of_clients_is_used_without_a_restart(
    gateways: Gateways, clients: Clients, tmp_path: Path
) -> None:
    server_ca, first, second = trustme.CA(), trustme.CA(), trustme.CA()
    server_ca.cert_pem.write_to_path(tmp_path / "server-ca")
    _issue(server_ca, tmp_path)
    _issue(second, tmp_path, "client-")
    first.cert_pem.write_to_path(tmp_path / "client-ca")
    gateway = gateways(tls=TlsFiles(tmp_path / "cert", tmp_path / "key", tmp_path / "client-ca"))
    tls = ClientTls(tmp_path / "server-ca", tmp_path / "client-cert", tmp_path / "client-key")
    with pytest.raises(ClientError):
        clients(gateway, tls).model()
    second.cert_pem.write_to_path(tmp_path / "client-ca")
    assert clients(gateway, tls).model().bundle == "demo"


def _issue(authority: trustme.CA, folder: Path, prefix: str = "") -> None:
    issued = authority.issue_cert("127.0.0.1")
    (folder / f"{prefix}key").write_bytes(issued.private_key_pem.bytes())
    (folder / f"{prefix}cert").write_bytes(issued.cert_chain_pems[0].bytes())
