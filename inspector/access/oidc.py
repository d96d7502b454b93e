"""Checks the signed tokens (JWT) of an OpenID provider and gives the role of their groups."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from inspector.access.principal import Principal
from inspector.access.provider import Provider
from inspector.access.settings import OidcSettings
from inspector.access.sign_in import SignInError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""With public keys only. `none` and HMAC are not among them."""
MAX_REMEMBERED = 1024
MAX_NAME = 128
MAX_GROUPS = 1000


class OidcVerifier:
    """Implements `BearerVerifier`. Remembers tokens that it has checked until they expire. Thread-safe."""

    def __init__(
        self, settings: OidcSettings, provider: Provider | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises ValueError for an issuer without TLS."""
        self._settings, self._clock = settings, clock
        self.provider = provider or Provider(settings)
        self._lock = Lock()
        self._checked: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def principal(self, token: str) -> Principal:
        """Raises SignInError, SignInUnavailableError."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        with self._lock:
            known = self._checked.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        claims = self.claims(token, self._settings.audience or self._settings.client_id)
        principal = self.principal_of(claims)
        self._remember(digest, principal, claims)
        return principal

    def claims(self, token: str, audience: str) -> Mapping[str, object]:
        """The token's claims, if the provider signed them for this audience and they are valid now. Raises
        SignInError, SignInUnavailableError."""
        rules = JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=int(self._settings.leeway_s),
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )
        try:
            claims = self._signed(token)
            rules.validate(claims)
        except (JoseError, ValueError, TypeError, RecursionError) as exc:
            raise SignInError(f"the token is not accepted ({_why(exc)}): sign in again") from exc
        return claims

    def principal_of(self, claims: Mapping[str, object]) -> Principal:
        """Raises SignInError where no group gives a role."""
        name = claims.get(self._settings.name_claim) or claims.get("sub")
        if not isinstance(name, str) or not name.isprintable() or len(name) > MAX_NAME:
            raise SignInError(f"the token has no usable name in {self._settings.name_claim}: tell an engineer")
        groups = groups_in(claims, self._settings.groups_claim)
        roles = [self._settings.groups[group] for group in groups if group in self._settings.groups]
        if not roles:
            raise SignInError(f"none of the groups of {name} has a role here: ask an engineer")
        return Principal(name, max(roles), "oidc")

    def _signed(self, token: str) -> dict[str, object]:
        try:
            return self._decoded(token, self.provider.keys())
        except (InvalidKeyIdError, KeyError):
            return self._decoded(token, self.provider.keys(unknown=True))

    @staticmethod
    def _decoded(token: str, keys: KeySet) -> dict[str, object]:
        try:
            return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        except KeyError as exc:
            raise InvalidKeyIdError from exc

    def _remember(self, digest: bytes, principal: Principal, claims: Mapping[str, object]) -> None:
        expires_s = claims["exp"]
        if not isinstance(expires_s, int | float):
            return
        with self._lock:
            self._checked[digest] = principal, float(expires_s)
            while len(self._checked) > MAX_REMEMBERED:
                self._checked.popitem(last=False)


def groups_in(claims: Mapping[str, object], path: str) -> list[str]:
    """The texts at the path; dots lead into tables, unless a claim has the whole path as its name."""
    value: object = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return [value]
    return [item for item in value[:MAX_GROUPS] if isinstance(item, str)] if isinstance(value, list) else []


def _why(exc: Exception) -> str:
    """The library's message, without the token's content."""
    if isinstance(exc, JoseError):
        claim = getattr(exc, "claim", None)
        return f"{exc.error}: {claim}" if isinstance(claim, str) else exc.error
    return type(exc).__name__
