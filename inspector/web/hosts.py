"""Names that browsers may call a page by that lets people in without credentials.

A page elsewhere may give its own name this machine's address; its scripts then reach an open page. They cannot do so
with a number instead of a name.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostNames:
    """Names of one page."""

    names: frozenset[str]
    only_this_machine: bool
    """Whether numbers of other machines are refused, too."""

    @classmethod
    def of(cls, names: Iterable[str], *, only_this_machine: bool) -> "HostNames":
        """With the names of this machine."""
        own = ["localhost"] if only_this_machine else ["localhost", socket.gethostname(), socket.getfqdn()]
        return cls(frozenset(_plain(name) for name in [*own, *names] if name), only_this_machine)

    def allows(self, host: str) -> bool:
        """The header `host` of a request."""
        name = _plain(_without_port(host))
        try:
            return ipaddress.ip_address(name.strip("[]")).is_loopback or not self.only_this_machine
        except ValueError:
            return name in self.names


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isascii() and port.isdigit() else host


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")
