"""TLS and mutual TLS with certificates made for the test, and what is refused without them."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from inspector.client import Client, ClientError, ClientTls
from inspector.gateway.server import Gateway, GatewayError, check_exposure
from inspector.gateway.settings import GatewaySettings, TlsFiles

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


def own(folder: Path, name: str, ca: str = "ca") -> ClientTls:
    return ClientTls(folder / f"{ca}.pem", folder / f"{name}.pem", folder / f"{name}.key")


def test_tls(gateways: Gateways, clients: Clients, folder: Path) -> None:
    gateway = gateways(tls=server(folder, mutual=False))
    assert clients(gateway, ClientTls(folder / "ca.pem")).model().bundle == "demo"


def test_mutual_tls(gateways: Gateways, clients: Clients, folder: Path) -> None:
    gateway = gateways(tls=server(folder, mutual=True))
    assert clients(gateway, own(folder, "client")).model().bundle == "demo"


@pytest.mark.parametrize("mutual", [False, True])
def test_clear_text_is_refused(gateways: Gateways, clients: Clients, folder: Path, mutual: bool) -> None:
    with pytest.raises(ClientError) as refused:
        clients(gateways(tls=server(folder, mutual=mutual))).model()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", [None, "stranger"])
def test_mutual_tls_wants_a_certificate_of_its_authority(
    gateways: Gateways, clients: Clients, folder: Path, name: str | None
) -> None:
    tls = ClientTls(folder / "ca.pem") if name is None else own(folder, name)
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
    check_exposure(GatewaySettings(listen=listen, allow_insecure=True))
    check_exposure(GatewaySettings(listen=listen, tls=server(folder, mutual=False)))


def test_a_taken_address_is_said_at_start(gateways: Gateways) -> None:
    with pytest.raises(GatewayError, match="choose a free address"):
        gateways(listen=gateways().address)


def test_a_missing_certificate_is_said_at_start(gateways: Gateways, folder: Path) -> None:
    with pytest.raises(GatewayError, match=r"nowhere\.pem.*correct its path"):
        gateways(tls=TlsFiles(folder / "nowhere.pem", folder / "server.key"))
