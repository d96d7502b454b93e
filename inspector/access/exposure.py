"""Says whether an address is reachable from other machines, and whether that is allowed."""

import ipaddress
from collections.abc import Iterable

PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address, given as host:port."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_problem(header_names: Iterable[str]) -> str | None:
    """Why a service that is open to its own machine only must not answer a request with these headers; None if it may.
    A proxy on this machine makes everybody's requests look like this machine's."""
    for name in header_names:
        if name.lower() in PROXY_HEADERS or name.lower().startswith("x-forwarded-"):
            return (
                f"the request came through a proxy (it has {name[:100]!r}), and this service has no sign-in because "
                "only its own machine reaches it: decide in [access] who may do what"
            )
    return None


def exposure_problem(listen: str, *, lets_somebody_in: bool) -> str | None:
    """Why a server may not listen there, with the remedy; None if it may. Encryption is another question."""
    if is_loopback(listen) or lets_somebody_in:
        return None
    return (
        f"listen = {listen!r} is reachable from outside, and nobody has a role; give roles in [access] (token_file, "
        "certificates or oidc), listen on 127.0.0.1, or set access.allow_anonymous = true to let everybody in"
    )
