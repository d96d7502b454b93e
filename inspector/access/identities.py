"""Turns credentials into principals: tokens, signed tokens of the provider, client certificates, or none."""

from collections.abc import Callable, Iterable
from typing import Protocol

from inspector.access.principal import LOCAL, Principal
from inspector.access.sessions import always
from inspector.access.settings import AccessSettings, OidcSettings
from inspector.access.sign_in import AccessSetupError, SignInError, SignInFlow
from inspector.access.tokens import PREFIX, TokenFile, TokenFileError, check_token_file, id_of

MAX_CREDENTIAL = 16 * 2**10
"""Characters; a signed token with many groups has a few thousand."""


class BearerVerifier(Protocol):
    """Checks a provider's signed tokens."""

    def principal(self, token: str) -> Principal:
        """Raises SignInError, SignInUnavailableError."""
        ...


class Identities:
    """Of one server. Thread-safe."""

    def __init__(
        self, settings: AccessSettings, *, only_this_machine: bool, bearer: BearerVerifier | None = None
    ) -> None:
        """`only_this_machine`: nobody else reaches the server. `bearer` is the verifier of `settings.oidc`."""
        self._settings, self._only_this_machine = settings, only_this_machine
        self._tokens = None if settings.token_file is None else TokenFile(settings.token_file)
        self._bearer = bearer

    def validity(self, credential: str, principal: Principal) -> Callable[[], bool]:
        """Says later whether the local token, which is not kept, still makes this principal; always for other
        credentials."""
        tokens = self._tokens
        if tokens is None or not credential.startswith(PREFIX):
            return always
        token_id = id_of(credential)
        return lambda: tokens.holds(token_id, principal)

    def asks_provider(self, credential: str) -> bool:
        """Whether checking this credential may wait for the provider: other checks must not wait behind it."""
        return self._bearer is not None and not (credential.startswith(PREFIX) and self._tokens is not None)

    def of_credential(self, credential: str) -> Principal:
        """Who shows this token. Raises SignInError, SignInUnavailableError."""
        if len(credential) > MAX_CREDENTIAL:
            raise SignInError(f"the token has {len(credential)} characters, expected at most {MAX_CREDENTIAL}")
        if credential.startswith(PREFIX) and self._tokens is not None:
            return self._tokens.principal(credential)
        if self._bearer is not None and credential.count(".") == 2:
            return self._bearer.principal(credential)
        raise SignInError("the token is of no kind that this service accepts: see [access] in its configuration")

    def of_certificate(self, names: Iterable[str]) -> Principal | None:
        """Whose certificate a client showed, by its common name; None where no role is given for it."""
        for name in names:
            if (role := self._settings.certificates.get(name)) is not None:
                return Principal(name, role, "certificate")
            if self._settings.allow_anonymous:
                return Principal(name, self._settings.anonymous_role, "certificate")
        return None

    def without_credentials(self) -> Principal:
        """Raises SignInError where credentials are needed."""
        if self._only_this_machine and not self._settings.is_configured:
            return LOCAL
        if self._settings.allow_anonymous:
            return Principal("anonymous", self._settings.anonymous_role, "anonymous")
        raise SignInError("nobody is signed in: give a token, sign in on the page, or use a client certificate")


def check_setup(settings: AccessSettings) -> None:
    """Raises AccessSetupError for a file of tokens with which nobody could sign in."""
    if settings.token_file is None:
        return
    try:
        check_token_file(settings.token_file)
    except TokenFileError as exc:
        raise AccessSetupError(str(exc)) from exc


def provider_of(oidc: OidcSettings | None) -> tuple[BearerVerifier | None, SignInFlow | None]:
    """Checks its tokens, and signs people in. Imports the packages of the extra `oidc` only where a provider is
    configured. Raises AccessSetupError."""
    if oidc is None:
        return None, None
    try:
        from inspector.access.code_flow import CodeFlow
        from inspector.access.oidc import OidcVerifier

        verifier = OidcVerifier(oidc)
    except ImportError as exc:
        raise AccessSetupError(f"[access.oidc] needs {exc.name}: in the checkout, pip install '.[oidc]'") from exc
    except ValueError as exc:
        raise AccessSetupError(f"[access.oidc] cannot be used: {exc}") from exc
    return verifier, CodeFlow(oidc, verifier)
