"""Signs people in at an OpenID provider: authorisation code flow with PKCE, state and nonce."""

import json
import secrets
from collections.abc import Mapping

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from inspector.access.oidc import OidcVerifier
from inspector.access.principal import Principal
from inspector.access.provider import MAX_BYTES, check_url
from inspector.access.settings import OidcSettings
from inspector.access.sign_in import Begun, SignInError, SignInUnavailableError


class CodeFlow:
    """Implements `SignInFlow` for one provider. Calls block for at most the settings' `timeout_s`. Thread-safe."""

    def __init__(self, settings: OidcSettings, verifier: OidcVerifier) -> None:
        self._settings, self._verifier = settings, verifier

    def begin(self, redirect_uri: str) -> Begun:
        """Raises SignInUnavailableError."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=" ".join(dict.fromkeys(["openid", *self._settings.scopes.split()])),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),
            code_challenge_method="S256",
        )
        return Begun(str(url), state, nonce, code_verifier, redirect_uri)

    def finish(self, begun: Begun, code: str) -> Principal:
        """Who signed in. Raises SignInError, SignInUnavailableError."""
        answer = self._exchange(begun, code)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInError(f"the provider did not sign in ({str(answer.get('error', 'no token'))[:100]}): try again")
        claims = self._verifier.claims(token, self._settings.client_id)
        if not secrets.compare_digest(str(claims.get("nonce", "")), begun.nonce):
            raise SignInError("the provider's token belongs to another sign-in: sign in again")
        return self._verifier.principal_of(claims)

    def _exchange(self, begun: Begun, code: str) -> Mapping[str, object]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": begun.code_verifier,
        }
        try:
            data = self._post(self._endpoint("token_endpoint"), form)
            answer = json.loads(data)
        except (httpx.HTTPError, ValueError) as exc:
            raise SignInUnavailableError(f"the provider did not answer as expected ({type(exc).__name__})") from exc
        return answer if isinstance(answer, dict) else {}

    def _post(self, url: str, form: Mapping[str, str]) -> bytes:
        secret = self._settings.client_secret
        auth = (self._settings.client_id, secret) if secret else None
        data = bytearray()
        with httpx.stream("POST", url, data=dict(form), auth=auth, timeout=self._settings.timeout_s) as response:
            for part in response.iter_raw(16 * 2**10):
                data += part
                if len(data) > MAX_BYTES:
                    raise ValueError("the answer is too large")
        return bytes(data)

    def _endpoint(self, name: str) -> str:
        try:
            return check_url(self._verifier.provider.endpoint(name))
        except ValueError as exc:
            raise SignInUnavailableError(str(exc)) from exc
