"""People with tokens of every role, and a provider whose signed tokens tests make themselves."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings, OidcSettings
from inspector.access.tokens import TokenFile

ISSUER = "https://sso.plant.example/realms/plant"
GROUPS = {"watchers": Role.VIEWER, "line": Role.OPERATOR, "lab": Role.QUALITY, "makers": Role.ENGINEER}
OIDC = OidcSettings(issuer=ISSUER, client_id="inspector", groups=GROUPS, leeway_s=0.0)


def tokens_of_all_roles(file: Path) -> dict[Role, str]:
    tokens = TokenFile(file)
    return {role: tokens.add(f"{role.word}-1", role, "test")[1] for role in Role}


def revoked_token(file: Path) -> str:
    tokens = TokenFile(file)
    token, shown = tokens.add("gone", Role.ENGINEER, "test")
    tokens.revoke(token.id)
    return shown


def expired_token(file: Path) -> str:
    return TokenFile(file).add("late", Role.ENGINEER, "test", expires_ns=time.time_ns() - 1)[1]


def settings_with(file: Path) -> AccessSettings:
    return AccessSettings(token_file=file)


@cache
def _keys() -> tuple[RSAKey, RSAKey]:
    """Making two takes longer than most tests with them."""
    one = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "one"})
    return one, RSAKey.generate_key(2048, {"kid": "two"})


class OwnProvider:
    """Signs tokens, and answers for its addresses as a `Fetch`."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.key, self.other = _keys()
        self.num_fetches = 0
        self.answers: dict[str, bytes] = {}
        self.publish(self.key)

    def publish(self, *keys: RSAKey | ECKey) -> None:
        metadata = {
            "issuer": self.issuer,
            "jwks_uri": self.issuer + "/keys",
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
        }
        published = KeySet([*keys]).as_dict(private=False)
        self.answers[self.issuer + "/.well-known/openid-configuration"] = json.dumps(metadata).encode()
        self.answers[self.issuer + "/keys"] = json.dumps(published).encode()

    def __call__(self, url: str, timeout_s: float) -> bytes:
        self.num_fetches += 1
        if url not in self.answers:
            raise ValueError(f"{url} does not answer")
        return self.answers[url]

    def token(
        self,
        key: RSAKey | ECKey | OctKey | None = None,
        header: Mapping[str, str] | None = None,
        without: str = "",
        **changes: object,
    ) -> str:
        now_s = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": "inspector",
            "sub": "7",
            "preferred_username": "lee",
            "groups": ["lab"],
            "iat": now_s,
            "exp": now_s + 600,
        }
        claims |= changes
        claims.pop(without, None)
        head = {"alg": "RS256", "kid": "one"} | dict(header or {})
        return jwt.encode(head, claims, key or self.key, algorithms=["RS256", "HS256", "ES256", "RS512"])


@contextmanager
def served() -> Iterator[tuple[OwnProvider, OidcSettings]]:
    """A provider that answers on this machine, and the settings of a service that uses it."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = provider.answers.get(provider.issuer + self.path)
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        provider = OwnProvider(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield provider, replace(OIDC, issuer=provider.issuer)
        finally:
            server.shutdown()
            thread.join()
