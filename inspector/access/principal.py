"""Who acts, and whether they may."""

import unicodedata
from dataclasses import dataclass, field

from inspector.access.roles import ACTIONS, Role


class AccessDeniedError(Exception):
    """The caller may not do this; the message says who, what and which role is needed."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, a program or a machine that acts."""

    name: str
    """As `name_of` writes it."""
    role: Role
    origin: str
    """How the name was proven: `certificate`, `token`, `oidc` or `os-user`; `loopback` and `anonymous` prove none."""
    subject: str = field(default="", compare=False)
    """The provider's own name of the person (claim `sub`), which nobody else ever gets; for the audit log."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_of(self.name))

    @property
    def is_proven(self) -> bool:
        """False where anybody who reaches the service gets this name."""
        return self.origin not in UNPROVEN


def name_of(text: str) -> str:
    """Names that differ only in case, width or white space are one: whoever has two spellings is not two people."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


UNPROVEN = frozenset({"loopback", "anonymous"})
LOCAL = Principal("local", Role.ENGINEER, "loopback")
"""Everybody, in a service that only this machine reaches and whose configuration names no roles."""


def may(principal: Principal, action: str) -> bool:
    """Whether the principal's role is enough; False for actions that are not in `ACTIONS`."""
    needed = ACTIONS.get(action)
    return needed is not None and principal.role >= needed


def require(principal: Principal, action: str) -> None:
    """Raises AccessDeniedError, KeyError for an action that does not exist."""
    needed = ACTIONS[action]
    if not may(principal, action):
        raise AccessDeniedError(
            f"{principal.name} is {principal.role.word}, and {action} needs {needed.word}: ask an engineer for the role"
        )
