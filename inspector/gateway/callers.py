"""Identifies the caller of a call: the host or certificate that limits are counted by, and the connection."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote


class PeerContext(Protocol):
    """The part of a call's context that identifies the client."""

    def peer(self) -> str: ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


class Caller(NamedTuple):
    """One host may have many connections, and several clients may share one host."""

    host: str
    """The name in the client's certificate under mutual TLS, else the address (IPv6: the first 64 bits)."""
    connection: str
    """`ipv4:192.0.2.7:50123`, as gRPC names it."""


def caller_of(context: PeerContext) -> Caller:
    peer = context.peer()
    names = context.auth_context().get("x509_common_name") or context.auth_context().get("x509_subject")
    for name in names or ():
        return Caller("certificate:" + name.decode(errors="replace"), peer)
    return Caller(host_of(peer), peer)


def host_of(peer: str) -> str:
    """`192.0.2.7` of `ipv4:192.0.2.7:50123`; for IPv6 the /64 network, because one host may use all its addresses."""
    kind, _, rest = unquote(peer).partition(":")
    text = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return kind
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped is not None:
        return str(address if isinstance(address, ipaddress.IPv4Address) else address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
