"""What sign-in means to the parts that use it: errors, and the flow through a provider."""

from dataclasses import dataclass
from typing import Protocol

from inspector.access.principal import Principal


class SignInError(Exception):
    """The credentials are missing or not accepted; the message says why and what to do, and holds no secret."""


class SignInUnavailableError(Exception):
    """The credentials cannot be checked at the moment; try again later."""


class AccessSetupError(Exception):
    """A server cannot start with these settings of access; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in at the provider, as it must be remembered until the person comes back."""

    url: str
    """Where the person signs in."""
    state: str
    nonce: str
    code_verifier: str
    redirect_uri: str


class SignInFlow(Protocol):
    """Signs people in at a provider."""

    def begin(self, redirect_uri: str) -> Begun:
        """May block for seconds. Raises SignInUnavailableError."""
        ...

    def finish(self, begun: Begun, code: str) -> Principal:
        """May block for seconds. Raises SignInError, SignInUnavailableError."""
        ...
