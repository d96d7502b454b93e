"""Whose name stands under a finding."""

from inspector.access.principal import Principal

MAX_AUTHOR_BYTES = 128


def author_of(principal: Principal, given: str) -> tuple[str, str]:
    """The author and how the name was proven; "" for a name that nobody has proven. What the caller wrote counts only
    where everybody on this machine is the same principal."""
    if principal.origin == "loopback":
        return given, ""
    name = principal.name.encode(errors="replace")[:MAX_AUTHOR_BYTES].decode(errors="ignore")
    return name, principal.origin if principal.is_proven else ""
