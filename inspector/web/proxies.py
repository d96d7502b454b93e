"""Finds the browser behind proxies that the configuration trusts: its address, and whether it sees the page over TLS.

A proxy adds the address that it answers to the right end of `X-Forwarded-For`; whatever stands left of the right-most
address that is no trusted proxy may be invented.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

MAX_HOPS = 32
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Headers(Protocol):
    """Of a request; those of starlette, which a worker does not load."""

    def getlist(self, key: str) -> list[str]: ...


class TrustedProxies:
    """Of one server."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ValueError for what is no network."""
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def client(self, peer: str, headers: Headers) -> str:
        """The address of whoever asks: the right-most one that is no trusted proxy. An entry that is no address ends
        the search: then the proxy that wrote it is all that is known. `peer` made the connection."""
        nearest = _address(peer)
        if nearest is None or not self._trusts(nearest):
            return peer
        for hop in _hops(headers):
            if (address := _address(hop)) is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return str(nearest)

    def is_https(self, peer: str, headers: Headers) -> bool:
        """Whether a trusted proxy says that it was asked over TLS."""
        nearest = _address(peer)
        said = headers.getlist("x-forwarded-proto")
        if nearest is None or not self._trusts(nearest) or not said:
            return False
        return said[-1].rpartition(",")[2].strip().lower() == "https"

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def network_problem(network: str) -> str | None:
    """Why this cannot be trusted; None if it can."""
    try:
        parsed = ipaddress.ip_network(network)
    except ValueError as exc:
        return f"{network[:60]!r} is no network ({exc}); write 10.0.0.5 or 10.0.0.0/24"
    if parsed.prefixlen == 0:
        return f"{network!r} trusts everybody to say where a request comes from; name the proxy's address"
    return None


def netloc_of(url: str) -> str:
    """Host and port as browsers write them into `Origin`: in lower case, without the usual port."""
    parts = urlsplit(url.lower())
    return parts.netloc.removesuffix(":443" if parts.scheme == "https" else ":80")


def _hops(headers: Headers) -> Sequence[str]:
    """Nearest first, at most `MAX_HOPS`."""
    return ",".join(headers.getlist("x-forwarded-for")).rsplit(",", MAX_HOPS)[::-1][:MAX_HOPS]


def _address(text: str) -> Address | None:
    """Also with a port, as some proxies write it, and of an IPv4 client at an IPv6 socket."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
