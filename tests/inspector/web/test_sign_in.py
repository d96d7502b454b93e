"""Sign-in on the page: cookies, forged and foreign requests, limits, streams, and a provider that others made."""

import json
import re
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings, OidcSettings, RateSettings, SessionSettings
from inspector.access.sign_in import Begun
from inspector.access.tokens import TokenFile
from inspector.gateway.certificates import TlsFiles
from inspector.web.access import MAX_BEGUN_PER_HOST, BegunSignIns
from inspector.web.pages.sign_in import local_path
from inspector.web.settings import WebSettings
from tests.inspector.web.guarded import ACCEPTS_PAGES, GuardedPage, certificates, form_token, guarded_page, sign_in
from tests.servers.process import ServerProcess, free_port
from tests.waiting import until


@pytest.fixture
def page(tmp_path: Path) -> Iterator[GuardedPage]:
    with guarded_page(tmp_path) as running:
        yield running


@pytest.fixture
def client(page: GuardedPage) -> Iterator[httpx.Client]:
    with page.client() as opened:
        yield opened


def test_a_person_without_a_session_is_led_to_sign_in_and_back(page: GuardedPage, client: httpx.Client) -> None:
    led = client.get("/pieces?line=line-1", headers=ACCEPTS_PAGES)
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Fpieces%3Fline%3Dline-1")
    signed_in = sign_in(client, page.tokens[Role.VIEWER], "/pieces?line=line-1")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/pieces?line=line-1")
    shown = client.get("/", headers=ACCEPTS_PAGES)
    assert shown.status_code == 200
    assert "viewer-1" in shown.text


def test_the_session_cookie_is_not_for_scripts_nor_for_other_sites(page: GuardedPage, client: httpx.Client) -> None:
    cookie = sign_in(client, page.tokens[Role.VIEWER]).headers["set-cookie"].lower()
    assert cookie.startswith("inspector_session=")
    for flag in ("httponly", "samesite=lax", "path=/", "max-age=43200"):
        assert flag in cookie
    assert page.tokens[Role.VIEWER].lower() not in cookie


def test_every_sign_in_makes_a_new_session(page: GuardedPage, client: httpx.Client) -> None:
    """A cookie that somebody planted before is of no use after."""
    client.cookies.set("inspector_session", "planted", domain="127.0.0.1", path="/")
    sign_in(client, page.tokens[Role.VIEWER])
    assert client.cookies.get("inspector_session", domain="127.0.0.1") != "planted"


def test_signing_out_ends_the_session(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.VIEWER])
    cookie = client.cookies["inspector_session"]
    client.post("/sign-out", data={"form_token": form_token(client, "/")})
    assert "inspector_session" not in client.cookies
    assert client.get("/live", headers={"cookie": f"inspector_session={cookie}"}).status_code == 401


def test_signing_out_is_recorded(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.QUALITY])
    client.post("/sign-out", data={"form_token": form_token(client, "/")})
    assert (page.records[-1].action, page.records[-1].name) == ("sign-out", "quality-1")


def test_a_session_ends_with_its_token(page: GuardedPage, client: httpx.Client) -> None:
    tokens = TokenFile(page.file)
    token, shown = tokens.add("kim", Role.VIEWER, "test")
    sign_in(client, shown)
    assert client.get("/live").status_code == 200
    tokens.revoke(token.id)
    assert client.get("/live").status_code == 401


def test_an_open_stream_ends_with_its_session(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.VIEWER])
    with page.client() as other, other.stream("GET", "/events", cookies=dict(client.cookies)) as stream:
        parts = stream.iter_bytes()
        next(parts)
        client.post("/sign-out", data={"form_token": form_token(client, "/")})
        for _ in parts:
            pass
    assert stream.status_code == 200


def read_to_its_end(page: GuardedPage, headers: dict[str, str], then: Callable[[], object] = lambda: None) -> None:
    with page.client() as client, client.stream("GET", "/events", headers=headers) as stream:
        assert stream.status_code == 200
        parts = stream.iter_bytes()
        next(parts)
        then()
        for _ in parts:
            pass


def test_an_open_stream_ends_with_its_token(page: GuardedPage) -> None:
    tokens = TokenFile(page.file)
    token, shown = tokens.add("display", Role.VIEWER, "test")
    read_to_its_end(page, {"authorization": f"Bearer {shown}"}, lambda: tokens.revoke(token.id))


def test_an_open_stream_of_a_token_ends_after_a_while_and_shows_the_token_again(tmp_path: Path) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", sessions=SessionSettings(recheck_s=0.3))
    with guarded_page(tmp_path, access) as page:
        read_to_its_end(page, {"authorization": f"Bearer {page.tokens[Role.VIEWER]}"})


def test_an_open_stream_does_not_keep_a_session_alive_that_nobody_uses(tmp_path: Path) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", sessions=SessionSettings(idle_s=1.0))
    with guarded_page(tmp_path, access) as page, page.client() as client:
        sign_in(client, page.tokens[Role.VIEWER])
        read_to_its_end(page, {"cookie": f"inspector_session={client.cookies['inspector_session']}"})
        assert client.get("/live").status_code == 401


def test_another_role_in_the_file_of_tokens_ends_the_sessions_of_the_old_one(
    page: GuardedPage, client: httpx.Client
) -> None:
    shown = page.tokens[Role.ENGINEER]
    sign_in(client, shown)
    assert client.get("/live").status_code == 200
    page.file.write_text(page.file.read_text().replace('"engineer"', '"viewer"'))
    assert client.get("/live").status_code == 401
    sign_in(client, shown)
    assert client.get("/live").status_code == 200


def test_an_address_that_begins_many_sign_ins_does_not_end_those_of_others() -> None:
    begun = BegunSignIns()
    begun.add(Begun("url", "lee", "nonce", "verifier", "back"), "/", "192.0.2.1")
    for number in range(5000):
        begun.add(Begun("url", str(number), "nonce", "verifier", "back"), "/", "192.0.2.9")
    assert len(begun) == 1 + MAX_BEGUN_PER_HOST
    assert begun.take("lee")
    assert begun.take("4999")
    assert begun.take("0") is None


def test_a_session_ends_by_age(tmp_path: Path) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", sessions=SessionSettings(age_s=0.3))
    with guarded_page(tmp_path, access) as page, page.client() as client:
        sign_in(client, page.tokens[Role.VIEWER])
        until(lambda: client.get("/live").status_code == 401)


POST = "/review/answer"


def post(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(POST, json={}, headers=headers)


def test_a_change_needs_the_form_token_of_the_session(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.ENGINEER])
    token = form_token(client, "/")
    assert post(client).status_code == 403
    assert post(client, **{"x-form-token": "wrong"}).status_code == 403
    assert post(client, **{"x-form-token": ""}).status_code == 403
    assert post(client, **{"x-form-token": token}).status_code not in (401, 403)


def test_the_form_token_of_another_session_is_of_no_use(page: GuardedPage, client: httpx.Client) -> None:
    with page.client() as other:
        sign_in(other, page.tokens[Role.ENGINEER])
        foreign = form_token(other, "/")
    before = form_token(client)
    sign_in(client, page.tokens[Role.ENGINEER])
    for token in (foreign, before):
        assert post(client, **{"x-form-token": token}).status_code == 403


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_a_change_from_another_site_is_refused_even_with_the_form_token(
    page: GuardedPage, client: httpx.Client, foreign: dict[str, str]
) -> None:
    sign_in(client, page.tokens[Role.ENGINEER])
    answer = post(client, **{"x-form-token": form_token(client, "/")}, **foreign)
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


def test_a_change_from_the_page_itself_is_taken(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.ENGINEER])
    headers = {"x-form-token": form_token(client, "/"), "origin": page.address, "sec-fetch-site": "same-origin"}
    assert post(client, **headers).status_code not in (401, 403)


def test_a_program_with_a_token_needs_no_form_token(page: GuardedPage, client: httpx.Client) -> None:
    answer = post(client, authorization=f"Bearer {page.tokens[Role.ENGINEER]}", origin="https://evil.example")
    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_forms_of_other_sites_are_refused(client: httpx.Client, path: str) -> None:
    right = {"form_token": form_token(client), "token": "x"}
    assert client.post(path, data=right, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post(path, data={"token": "x"}).status_code == 403
    assert client.post(path, data={**right, **{str(i): "x" for i in range(50)}}).status_code == 400


def test_an_open_page_takes_no_change_from_another_site_and_no_other_name(tmp_path: Path) -> None:
    """Somebody who makes a browser on this machine visit their page must not reach ours through it."""
    with guarded_page(tmp_path, AccessSettings()) as page, page.client() as client:
        assert client.get("/live").status_code == 200
        own = {"x-form-token": form_token(client, "/")}
        assert post(client).status_code == 403
        assert post(client, **own).status_code not in (401, 403)
        assert post(client, origin=page.address, **own).status_code not in (401, 403)
        assert post(client, origin="https://evil.example", **own).status_code == 403
        assert client.get("/live", headers={"host": "evil.example"}).status_code == 421
        assert client.get("/live", headers={"host": "localhost:8080"}).status_code == 200


def test_an_anonymous_page_answers_to_its_own_names_only_and_takes_changes_with_its_form_token(tmp_path: Path) -> None:
    access = AccessSettings(allow_anonymous=True, anonymous_role=Role.ENGINEER)
    with guarded_page(tmp_path, access, hosts=("Inspector.plant.example",)) as page, page.client() as client:
        for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""):
            assert client.get("/live", headers={"host": host}).status_code == 421
        for host in ("inspector.plant.example", "INSPECTOR.plant.example.:8080", "192.0.2.7:8080", "[::1]:8080"):
            assert client.get("/live", headers={"host": host}).status_code == 200
        assert post(client).status_code == 403
        assert post(client, **{"x-form-token": form_token(client, "/")}).status_code not in (401, 403)


def test_a_page_where_everybody_signs_in_answers_to_every_name(page: GuardedPage, client: httpx.Client) -> None:
    assert client.get("/sign-in", headers={"host": "any.example"}).status_code == 200


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "X-Forwarded-Proto", "via", "x-real-ip"])
def test_an_open_page_behind_a_proxy_is_refused(tmp_path: Path, name: str) -> None:
    with guarded_page(tmp_path, AccessSettings()) as page, page.client() as client:
        refused = client.get("/live", headers={name: "192.0.2.1"})
    assert refused.status_code == 403
    assert "[access]" in refused.text


def test_sign_in_that_fails_says_why_and_not_the_token(page: GuardedPage, client: httpx.Client) -> None:
    answer = sign_in(client, "inspector_00000000_secretsecret")
    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert "secretsecret" not in answer.text
    assert "inspector_session" not in client.cookies


def test_failed_sign_ins_are_limited_and_recorded_once_a_minute(tmp_path: Path) -> None:
    rates = RateSettings(sign_ins_per_minute=3.0)
    access = AccessSettings(token_file=tmp_path / "tokens.json", rates=rates)
    with guarded_page(tmp_path, access) as page, page.client() as client:
        codes = [sign_in(client, "wrong").status_code for _ in range(10)]
        assert codes[:3] == [401] * 3
        assert set(codes[4:]) == {429}
        limited = client.get("/live", headers={"authorization": "Bearer wrong"})
        right = client.get("/live", headers={"authorization": f"Bearer {page.tokens[Role.VIEWER]}"})
        assert right.status_code == 200, "the failures of others lock nobody out"
        assert sign_in(client, page.tokens[Role.VIEWER]).status_code == 303
        assert (limited.status_code, int(limited.headers["retry-after"]) > 0) == (429, True)
        assert [record.action for record in page.records] == ["audit.begin", "sign-in.failed", "sign-in"]


def test_sign_ins_are_recorded(page: GuardedPage, client: httpx.Client) -> None:
    sign_in(client, page.tokens[Role.QUALITY])
    record = page.records[-1]
    assert (record.action, record.name, record.role, record.origin) == ("sign-in", "quality-1", "quality", "token")


def test_requests_are_limited_by_address(tmp_path: Path) -> None:
    rates = RateSettings(requests_per_s=0.01, burst_s=1000.0)
    with guarded_page(tmp_path, AccessSettings(rates=rates)) as page, page.client() as client:
        codes = [client.get("/static/style.css").status_code for _ in range(14)]
    assert codes[:10] == [200] * 10
    assert codes[11:] == [429] * 3


@pytest.mark.parametrize(
    ("path", "led_to"),
    [
        ("/pieces?a=b", "/pieces?a=b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
        ("/" + "x" * 5000, "/"),
    ],
)
def test_sign_in_leads_to_our_own_pages_only(path: str, led_to: str) -> None:
    assert local_path(path) == led_to


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[tuple[GuardedPage, Path]]:
    """A page with TLS that asks for certificates, and the folder of the certificates."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("server", "lee", "stranger"):
        issued = authority.issue_cert("127.0.0.1", common_name=name)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
    files = TlsFiles(tmp_path / "server.pem", tmp_path / "server.pem", tmp_path / "ca.pem")
    access = AccessSettings(certificates={"lee": Role.OPERATOR}, token_file=tmp_path / "tokens.json")
    with guarded_page(tmp_path, access, files) as page:
        yield page, tmp_path


def by_certificate(mutual: tuple[GuardedPage, Path], name: str) -> httpx.Client:
    page, folder = mutual
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / f"{name}.pem")
    return httpx.Client(base_url=page.address, timeout=30.0, verify=context)


def test_a_client_certificate_has_the_role_of_its_name(mutual: tuple[GuardedPage, Path]) -> None:
    with by_certificate(mutual, "lee") as lee, by_certificate(mutual, "stranger") as stranger:
        assert lee.get("/live").status_code == 200
        assert "lee" in lee.get("/", headers=ACCEPTS_PAGES).text
        assert stranger.get("/live").status_code == 401
        token = form_token(lee, "/")
        assert post(lee).status_code == 403, "a certificate is shown by itself, so a form needs its token"
        assert post(lee, **{"x-form-token": token}).status_code not in (401, 403)


def test_over_tls_cookies_are_for_tls_only(mutual: tuple[GuardedPage, Path]) -> None:
    page, _ = mutual
    with by_certificate(mutual, "stranger") as client:
        cookie = sign_in(client, page.tokens[Role.VIEWER]).headers["set-cookie"].lower()
        assert cookie.startswith("__host-inspector_session=")
        assert "secure" in cookie
        assert client.get("/live").status_code == 200


GROUPS = {"lab": Role.QUALITY, "line": Role.OPERATOR}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a provider that others made."""
    port = free_port()
    people = [
        {"sub": "1", "preferred_username": "lee", "groups": ["lab", "choir"]},
        {"sub": "2", "preferred_username": "kim", "groups": ["choir"]},
    ]
    users = [option for each in people for option in ("--user-claims", json.dumps(each))]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    server = ServerProcess([*command, *users], port, tmp_path_factory.mktemp("provider") / "log")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def at_provider(tmp_path: Path, provider: str) -> Iterator[GuardedPage]:
    oidc = OidcSettings(issuer=provider, client_id="inspector", client_secret="any", groups=GROUPS)  # noqa: S106
    with guarded_page(tmp_path, AccessSettings(oidc=oidc)) as running:
        yield running


def through_provider(client: httpx.Client, person: str, then: str = "/") -> httpx.Response:
    """As a browser does: to the provider, its form, and back; returns the answer of our callback."""
    begun = client.get("/sign-in/provider", params={"next": then})
    assert begun.status_code == 303
    with httpx.Client(timeout=30.0, verify=certificates()) as browser:
        back = browser.post(begun.headers["location"], data={"sub": person})
    assert back.status_code == 302, back.text
    return client.get(back.headers["location"])


def test_a_person_signs_in_at_a_provider_and_has_the_role_of_their_group(at_provider: GuardedPage) -> None:
    with at_provider.client() as client:
        assert "Sign in at 127.0.0.1" in client.get("/sign-in").text
        back = through_provider(client, "1", "/pieces")
        assert (back.status_code, back.headers["location"]) == (303, "/pieces")
        assert "lee" in client.get("/", headers=ACCEPTS_PAGES).text
        assert client.get("/live").status_code == 200
    record = at_provider.records[-1]
    assert (record.name, record.role, record.detail["sub"]) == ("lee", "quality", "1")


def test_a_person_without_a_group_here_does_not_get_in(at_provider: GuardedPage) -> None:
    with at_provider.client() as client:
        back = through_provider(client, "2")
        assert back.status_code == 401
        assert "none of the groups of kim has a role here" in back.text
        assert client.get("/live").status_code == 401


def test_the_providers_own_id_token_works_as_a_bearer(at_provider: GuardedPage, provider: str) -> None:
    """The token that the foreign provider signed, checked by its own keys."""
    with httpx.Client(timeout=30.0, verify=certificates()) as browser:
        redirect = "http://127.0.0.1/back"
        query = {
            "client_id": "inspector",
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": "openid profile",
            "nonce": "n",
        }
        to = browser.post(f"{provider}/oauth2/authorize", params=query, data={"sub": "1"}).headers["location"]
        form = {
            "grant_type": "authorization_code",
            "code": to.partition("code=")[2].partition("&")[0],
            "redirect_uri": redirect,
        }
        token = browser.post(f"{provider}/oauth2/token", data=form, auth=("inspector", "any")).json()["id_token"]
    with at_provider.client() as client:
        assert client.get("/live", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert client.get("/live", headers={"authorization": f"Bearer {token[:-4]}AAAA"}).status_code == 401


def test_the_way_to_the_provider_is_bound_by_pkce_state_and_nonce(at_provider: GuardedPage) -> None:
    with at_provider.client() as client:
        query = httpx.URL(client.get("/sign-in/provider").headers["location"]).params
        again = httpx.URL(client.get("/sign-in/provider").headers["location"]).params
    assert query["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[\w-]{43}", query["code_challenge"])
    for name in ("code_challenge", "state", "nonce"):
        assert len(query[name]) >= 32
        assert query[name] != again[name]
    assert query["redirect_uri"] == f"{at_provider.address}/sign-in/callback"


@pytest.mark.parametrize("forged", ["no state", "a state of another browser", "a state used before", "an error"])
def test_a_forged_way_back_signs_nobody_in(at_provider: GuardedPage, forged: str) -> None:
    with at_provider.client() as client, at_provider.client() as victim:
        state = httpx.URL(client.get("/sign-in/provider").headers["location"]).params["state"]
        match forged:
            case "no state":
                back = victim.get("/sign-in/callback", params={"code": "x"})
            case "a state of another browser":
                back = victim.get("/sign-in/callback", params={"code": "x", "state": state})
            case "an error":
                back = client.get("/sign-in/callback", params={"error": "access_denied", "state": state})
            case _:
                client.get("/sign-in/callback", params={"code": "x", "state": state})
                back = client.get("/sign-in/callback", params={"code": "x", "state": state})
        assert back.status_code == 401
        assert "inspector_session" not in dict(victim.cookies) | dict(client.cookies)


def test_ways_back_that_were_not_begun_in_this_browser_lock_nobody_out(at_provider: GuardedPage) -> None:
    with at_provider.client() as stranger, at_provider.client() as client:
        for _ in range(30):
            assert stranger.get("/sign-in/callback", params={"code": "x", "state": "y"}).status_code == 401
        assert through_provider(client, "1").status_code == 303
    assert "sign-in.failed" not in {record.action for record in at_provider.records}


def test_a_provider_that_is_away_is_unavailable(tmp_path: Path) -> None:
    oidc = OidcSettings(issuer=f"http://127.0.0.1:{free_port()}", client_id="x", groups=GROUPS)
    with guarded_page(tmp_path, AccessSettings(oidc=oidc)) as page, page.client() as client:
        answer = client.get("/sign-in/provider")
        assert answer.status_code == 503
        assert "does not answer" in answer.text


def test_another_site_loads_nothing_and_uses_up_no_rate(tmp_path: Path) -> None:
    rates = RateSettings(requests_per_s=0.01, burst_s=500.0)
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    with guarded_page(tmp_path, AccessSettings(rates=rates)) as page, page.client() as client:
        assert [client.get("/static/style.css", headers=foreign).status_code for _ in range(20)] == [403] * 20
        led = foreign | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert client.get("/", headers=led).status_code == 200


def test_a_page_behind_a_proxy_with_tls_has_cookies_for_tls_only(tmp_path: Path) -> None:
    web = WebSettings(public_url="https://inspector.plant.example")
    with guarded_page(tmp_path, web=web) as page, page.client() as client:
        answer = sign_in(client, page.tokens[Role.VIEWER])
    assert answer.headers["set-cookie"].startswith("__Host-inspector_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "strict-transport-security" in answer.headers


def test_changes_of_one_person_are_limited_wherever_they_come_from(tmp_path: Path) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", rates=RateSettings(acts_per_minute=2.0))
    with guarded_page(tmp_path, access) as page, page.client() as client:
        bearer = {"authorization": f"Bearer {page.tokens[Role.OPERATOR]}"}
        codes = [client.post("/review/undo", headers=bearer).status_code for _ in range(3)]
        assert (codes[0], codes[2]) == (404, 429)
        other = {"authorization": f"Bearer {page.tokens[Role.QUALITY]}"}
        assert client.post("/review/undo", headers=other).status_code == 404
