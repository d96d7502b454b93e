"""People with tokens of every role, and a provider whose signed tokens tests make themselves."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

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


class OwnProvider:
    """Signs tokens, and answers for its addresses as a `Fetch`."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "one"})
        self.other = RSAKey.generate_key(2048, {"kid": "two"})
        self.num_fetches = 0
        self.answers: dict[str, bytes] = {}
        self.publish(self.key)

    def publish(self, *keys: RSAKey | ECKey) -> None:
        metadata = {
            "issuer": ISSUER,
            "jwks_uri": ISSUER + "/keys",
            "authorization_endpoint": ISSUER + "/authorize",
            "token_endpoint": ISSUER + "/token",
        }
        published = KeySet([*keys]).as_dict(private=False)
        self.answers[ISSUER + "/.well-known/openid-configuration"] = json.dumps(metadata).encode()
        self.answers[ISSUER + "/keys"] = json.dumps(published).encode()

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
            "iss": ISSUER,
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
