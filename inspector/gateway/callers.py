"""Turns a call's context into who calls: the host or certificate that shares are counted by, and its connection."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote


class Peered(Protocol):
    """The part of a call's context that says who is at the other end."""

    def peer(self) -> str: ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


class Caller(NamedTuple):
    """Who calls. One host may have many connections, and several clients may share one host."""

    host: str
    """The client certificate's name under mutual TLS; the address otherwise, of IPv6 the first 64 bits."""
    connection: str
    """`ipv4:192.0.2.7:50123`, as gRPC names it."""


def caller_of(context: Peered) -> Caller:
    peer = context.peer()
    names = context.auth_context().get("x509_common_name") or context.auth_context().get("x509_subject")
    for name in names or ():
        return Caller("certificate:" + name.decode(errors="replace"), peer)
    return Caller(host_of(peer), peer)


def host_of(peer: str) -> str:
    """`192.0.2.7` of `ipv4:192.0.2.7:50123`; a network of 64 bits for IPv6, which gives every host that many."""
    kind, _, rest = unquote(peer).partition(":")
    text = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return kind
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped is not None:
        return str(address if isinstance(address, ipaddress.IPv4Address) else address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
