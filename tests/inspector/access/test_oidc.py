"""Signed tokens of a provider: which are accepted, and how often its keys are read."""

import base64
import hmac
import json
import time

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey

from inspector.access.oidc import MAX_REMEMBERED, OidcVerifier, groups_in
from inspector.access.provider import MAX_BYTES, RETRY_S, Provider, check_url, fetched
from inspector.access.roles import Role
from inspector.access.settings import OidcSettings
from inspector.access.sign_in import SignInError, SignInUnavailableError
from tests.inspector.access.people import GROUPS, ISSUER, OIDC, OwnProvider


class Setting:
    """A verifier over a provider, with a clock."""

    def __init__(self, settings: OidcSettings = OIDC) -> None:
        self.now_s = 1000.0
        self.provider = OwnProvider()
        self.verifier = OidcVerifier(settings, Provider(settings, self.provider, lambda: self.now_s))


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def test_a_token_of_the_provider_has_its_name_and_the_highest_role_of_its_groups(setting: Setting) -> None:
    principal = setting.verifier.principal(setting.provider.token(groups=["watchers", "lab", "choir"]))
    assert (principal.name, principal.role, principal.origin) == ("lee", Role.QUALITY, "oidc")


WRONG: dict[str, dict[str, object]] = {
    "expired": {"exp": int(time.time()) - 1},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "issued in the future": {"iat": int(time.time()) + 3600},
    "another audience": {"aud": "canteen"},
    "other audiences": {"aud": ["canteen", "gym"]},
    "another issuer": {"iss": "https://sso.elsewhere.example"},
    "the issuer with a slash": {"iss": ISSUER + "/"},
    "no audience": {"without": "aud"},
    "no issuer": {"without": "iss"},
    "no expiry": {"without": "exp"},
    "expiry as text": {"exp": "tomorrow"},
    "no groups": {"groups": []},
    "unknown groups": {"groups": ["choir"]},
    "groups of another form": {"groups": {"lab": True}},
    "a name that is no text": {"preferred_username": ["lee"]},
    "a name with a line end": {"preferred_username": "lee\nroot"},
    "a name too long": {"preferred_username": "x" * 500},
    "another key": {"header": {"kid": "two"}},
    "another algorithm": {"header": {"alg": "RS512"}},
}


@pytest.mark.parametrize("why", [why for why in WRONG if why != "another algorithm"])
def test_a_token_that_is_not_right_in_all_is_refused(setting: Setting, why: str) -> None:
    with pytest.raises(SignInError):
        setting.verifier.principal(setting.provider.token(**WRONG[why]))  # type: ignore[arg-type]


def test_a_token_signed_by_another_key_under_a_known_id_is_refused(setting: Setting) -> None:
    with pytest.raises(SignInError, match="bad_signature"):
        setting.verifier.principal(setting.provider.token(key=setting.provider.other))


def test_a_token_without_signature_is_refused(setting: Setting) -> None:
    header = _encoded(b'{"alg":"none"}')
    payload = setting.provider.token().split(".")[1]
    for token in (f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
        with pytest.raises(SignInError):
            setting.verifier.principal(token)


def test_a_token_signed_with_the_public_key_as_a_password_is_refused(setting: Setting) -> None:
    head, payload = _encoded(b'{"alg":"HS256","kid":"one"}'), setting.provider.token().split(".")[1]
    signature = hmac.digest(setting.provider.key.as_pem(private=False), f"{head}.{payload}".encode(), "sha256")
    with pytest.raises(SignInError):
        setting.verifier.principal(f"{head}.{payload}.{_encoded(signature)}")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_a_symmetric_key_that_a_provider_publishes_is_not_used() -> None:
    setting = Setting()
    oct_key = OctKey.generate_key(256, {"kid": "one"})
    setting.provider.answers[ISSUER + "/keys"] = json.dumps({"keys": [oct_key.as_dict(private=True)]}).encode()
    with pytest.raises(SignInUnavailableError):
        setting.verifier.principal(setting.provider.token(key=oct_key, header={"alg": "HS256"}))


def test_an_elliptic_key_works() -> None:
    setting = Setting()
    key = ECKey.generate_key("P-256", {"kid": "three"})
    setting.provider.publish(key)
    token = setting.provider.token(key=key, header={"alg": "ES256", "kid": "three"})
    assert setting.verifier.principal(token).name == "lee"


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "..", "a" * 5000, "é.é.é", "\udcff.a.b", "e30.e30.e30", "bnVsbA.bnVsbA.AA"]
)
def test_what_is_no_token_is_refused(setting: Setting, text: str) -> None:
    with pytest.raises(SignInError):
        setting.verifier.principal(text)


def test_access_tokens_need_their_own_audience_where_one_is_configured() -> None:
    settings = OidcSettings(issuer=ISSUER, client_id="inspector", audience="inspector-api", groups=GROUPS)
    setting = Setting(settings)
    setting.verifier.principal(setting.provider.token(aud="inspector-api"))
    with pytest.raises(SignInError):
        setting.verifier.principal(setting.provider.token(aud="inspector"))


def test_keys_are_read_once_an_hour_and_for_an_unknown_key_at_most_every_half_minute() -> None:
    setting = Setting()
    for _ in range(5):
        setting.verifier.principal(setting.provider.token())
    assert setting.provider.num_fetches == 2
    setting.provider.publish(setting.provider.key, setting.provider.other)
    token = setting.provider.token(key=setting.provider.other, header={"kid": "two"})
    for _ in range(5):
        with pytest.raises(SignInError):
            setting.verifier.principal(token)
    assert setting.provider.num_fetches == 2
    setting.now_s += RETRY_S
    assert setting.verifier.principal(token).name == "lee"
    assert setting.provider.num_fetches == 4


def test_a_provider_that_is_away_is_believed_by_its_last_keys_for_a_day() -> None:
    setting = Setting()
    setting.verifier.principal(setting.provider.token(jti="1"))
    setting.provider.answers.clear()
    setting.now_s += 23 * 3600
    setting.verifier.principal(setting.provider.token(jti="2"))
    setting.now_s += 3600 + RETRY_S
    with pytest.raises(SignInUnavailableError, match="does not answer"):
        setting.verifier.principal(setting.provider.token(jti="3"))


def test_a_provider_that_calls_itself_otherwise_is_not_used() -> None:
    setting = Setting()
    setting.provider.answers[ISSUER + "/.well-known/openid-configuration"] = b'{"issuer": "https://evil.example"}'
    with pytest.raises(SignInUnavailableError):
        setting.verifier.principal(setting.provider.token())


def test_a_remembered_token_ends_with_its_expiry() -> None:
    setting = Setting()
    clock_s = time.time()
    verifier = OidcVerifier(OIDC, setting.verifier.provider, lambda: clock_s)
    token = setting.provider.token()
    verifier.principal(token)
    clock_s += 601
    with pytest.raises(SignInError, match="expired_token"):
        verifier.principal(token)


def test_remembered_tokens_are_bounded(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.access.oidc.MAX_REMEMBERED", 3)
    assert MAX_REMEMBERED >= 1000
    verifier = OidcVerifier(OIDC, setting.verifier.provider)
    for number in range(10):
        verifier.principal(setting.provider.token(jti=str(number)))
    assert len(verifier._checked) == 3


@pytest.mark.parametrize(
    ("path", "claims", "groups"),
    [
        ("groups", {"groups": ["a", 5, "b"]}, ["a", "b"]),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ["a"]),
        ("https://plant.example/groups", {"https://plant.example/groups": ["a"]}, ["a"]),
        ("groups", {"groups": "a"}, ["a"]),
        ("a.b.c", {"a": {"b": 5}}, []),
        ("groups", {}, []),
    ],
)
def test_groups_are_found_by_their_path(path: str, claims: dict[str, object], groups: list[str]) -> None:
    assert groups_in(claims, path) == groups


@pytest.mark.parametrize(
    "url", ["http://sso.plant.example", "ftp://127.0.0.1", "sso.plant.example", "http://localhost.evil.example"]
)
def test_a_provider_is_reached_by_tls_only(url: str) -> None:
    with pytest.raises(ValueError, match="is no https address"):
        check_url(url)


def test_a_provider_on_this_machine_may_do_without_tls() -> None:
    assert check_url("http://127.0.0.1:8080/x")


def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                yield b"x" * 65_536

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Endless()))
    with httpx.Client(transport=transport) as client:
        monkeypatch.setattr(httpx, "stream", client.stream)
        with pytest.raises(ValueError, match=f"more than {MAX_BYTES} bytes"):
            fetched("https://sso.plant.example/keys", 20.0)
