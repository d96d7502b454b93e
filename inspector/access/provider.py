"""Reads an OpenID provider's addresses and keys, within limits of bytes and time."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from inspector.access.exposure import is_loopback
from inspector.access.settings import OidcSettings
from inspector.access.sign_in import SignInUnavailableError

log = logging.getLogger("inspector.access")

MAX_BYTES = 256 * 2**10
MAX_KEYS = 64
RETRY_S = 30.0
"""Least time between two fetches that unknown keys or failures cause: anybody may send a token with an unknown key."""
MAX_STALE_S = 24 * 3600.0
"""A provider that does not answer is believed by its last keys for this long."""


class Fetch(Protocol):
    def __call__(self, url: str, timeout_s: float) -> bytes:
        """Raises httpx.HTTPError, ValueError."""
        ...


class Provider:
    """The provider's metadata and keys, cached. Thread-safe."""

    def __init__(
        self,
        settings: OidcSettings,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError for an issuer that is reached without TLS over a network."""
        check_url(settings.issuer)
        self._settings, self._fetch, self._clock = settings, fetch or fetched, clock
        self._lock = Lock()
        self._metadata: Mapping[str, str] = {}
        self._keys: KeySet | None = None
        self._read_s = self._tried_s = float("-inf")

    def endpoint(self, name: str) -> str:
        """An address of the provider, such as `token_endpoint`. Raises SignInUnavailableError."""
        self.keys()
        try:
            return self._metadata[name]
        except KeyError:
            raise SignInUnavailableError(f"{self._settings.issuer} names no {name}: correct [access.oidc]") from None

    def keys(self, *, unknown: bool = False) -> KeySet:
        """The keys; read again when they are old, or when a token names an `unknown` one. Raises
        SignInUnavailableError."""
        with self._lock:
            age_s = self._clock() - self._read_s
            is_due = unknown or age_s >= self._settings.keys_age_s
            if is_due and self._clock() - self._tried_s >= RETRY_S:
                self._read()
                age_s = self._clock() - self._read_s
            if self._keys is None or age_s > max(MAX_STALE_S, self._settings.keys_age_s):
                raise SignInUnavailableError(f"{self._settings.issuer} does not answer: try again later")
            return self._keys

    def _read(self) -> None:
        self._tried_s = self._clock()
        try:
            metadata = self._object(self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            addresses = {name: value for name, value in metadata.items() if isinstance(value, str)}
            if addresses.get("issuer") != self._settings.issuer:
                raise ValueError(f"it calls itself {addresses.get('issuer', '')[:200]!r}")  # noqa: TRY301
            keys = _signing_keys(self._object(check_url(addresses["jwks_uri"])))
        except (httpx.HTTPError, ValueError, KeyError, JoseError, RecursionError) as exc:
            log.warning("The keys of %s were not read: %s (%s).", self._settings.issuer, exc, type(exc).__name__)
            return
        self._metadata, self._keys, self._read_s = addresses, keys, self._clock()

    def _object(self, url: str) -> dict[str, object]:
        value = json.loads(self._fetch(url, self._settings.timeout_s))
        if not isinstance(value, dict):
            raise ValueError(f"{url} holds no JSON object")  # noqa: TRY004
        return value


def check_url(url: str) -> str:
    """The address, if it is https, or http on this machine. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(f"{parts.hostname}:0")):
        return url
    raise ValueError(f"{url[:200]!r} is no https address: whoever stands between could sign in as anybody")


def fetched(url: str, timeout_s: float) -> bytes:
    """At most `MAX_BYTES` within `timeout_s`; follows no redirection. Raises httpx.HTTPError, ValueError."""
    end_s = time.monotonic() + timeout_s
    data = bytearray()
    with httpx.stream("GET", url, timeout=timeout_s, follow_redirects=False) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"{url} answered {response.status_code}")
        for part in response.iter_raw(16 * 2**10):
            data += part
            if len(data) > MAX_BYTES or time.monotonic() > end_s:
                raise ValueError(f"{url} sent more than {MAX_BYTES} bytes, or took more than {timeout_s:g} s")
    return bytes(data)


def _signing_keys(value: Mapping[str, object]) -> KeySet:
    """Without symmetric keys, with which anybody who reads them could sign. Raises ValueError, JoseError."""
    keys = value.get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError(f"expected a list of at most {MAX_KEYS} keys")
    usable = [key for key in keys if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP")]
    signing = [key for key in usable if key.get("use", "sig") == "sig"]
    if not signing:
        raise ValueError("none of the keys is for signatures")
    return KeySet.import_key_set({"keys": signing})
