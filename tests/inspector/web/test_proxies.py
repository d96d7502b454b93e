"""Behind a proxy: only a trusted one says where a request comes from, and forged headers of others are ignored."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.datastructures import Headers

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings, RateSettings
from inspector.web.proxies import MAX_HOPS, TrustedProxies, netloc_of, network_problem
from inspector.web.settings import WebSettings
from tests.inspector.access.people import served
from tests.inspector.web.guarded import GuardedPage, guarded_page, sign_in

PROXY, OUTER = "10.0.0.5", "192.168.7.9"
TRUSTED = TrustedProxies([f"{PROXY}/32", "192.168.7.0/24", "fd00::/64"])
HERE = WebSettings(trusted_proxies=("127.0.0.1/32",))
PUBLIC = WebSettings(trusted_proxies=("127.0.0.1/32",), public_url="https://inspector.plant.example")


def forwarded(*values: str) -> Headers:
    return Headers(raw=[(b"x-forwarded-for", value.encode("latin-1")) for value in values])


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        (PROXY, ("203.0.113.7",), "203.0.113.7"),
        (PROXY, (f"203.0.113.7, {OUTER}",), "203.0.113.7"),
        (PROXY, ("1.1.1.1, 203.0.113.7",), "203.0.113.7"),
        (PROXY, ("1.1.1.1", "203.0.113.7"), "203.0.113.7"),
        (PROXY, (f"1.1.1.1, {OUTER}, 203.0.113.7, {OUTER}",), "203.0.113.7"),
        (PROXY, (f"{OUTER}, 192.168.7.10",), OUTER),
        (PROXY, ("203.0.113.7:4711",), "203.0.113.7"),
        (PROXY, ("[2001:db8::1]:4711",), "2001:db8::1"),
        (PROXY, ("2001:db8::1",), "2001:db8::1"),
        (PROXY, ("::ffff:203.0.113.7",), "203.0.113.7"),
        (f"::ffff:{PROXY}", ("203.0.113.7",), "203.0.113.7"),
        ("fd00::1", ("203.0.113.7",), "203.0.113.7"),
        (PROXY, ("1.1.1.1, unknown",), PROXY),
        (PROXY, ("1.1.1.1, <script>",), PROXY),
        (PROXY, ("",), PROXY),
        (PROXY, (), PROXY),
        ("203.0.113.66", ("127.0.0.1",), "203.0.113.66"),
        ("203.0.113.66", (f"1.1.1.1, {PROXY}",), "203.0.113.66"),
        ("unknown", ("1.1.1.1",), "unknown"),
    ],
)
def test_the_right_most_address_that_is_no_trusted_proxy_is_the_client(
    peer: str, values: tuple[str, ...], client: str
) -> None:
    assert TRUSTED.client(peer, forwarded(*values)) == client


def test_a_very_long_chain_is_read_from_the_right_and_not_to_its_end() -> None:
    assert TRUSTED.client(PROXY, forwarded(", ".join(["203.0.113.7", *[OUTER] * (MAX_HOPS - 1)]))) == "203.0.113.7"
    assert TRUSTED.client(PROXY, forwarded(", ".join(["203.0.113.7", *[OUTER] * MAX_HOPS]))) == OUTER


@pytest.mark.parametrize(
    ("peer", "said", "is_https"),
    [
        (PROXY, "https", True),
        (PROXY, "HTTPS", True),
        (PROXY, "http", False),
        (PROXY, "https, http", False),
        (PROXY, "http, https", True),
        ("203.0.113.66", "https", False),
    ],
)
def test_a_trusted_proxy_says_whether_it_was_asked_over_tls(peer: str, said: str, *, is_https: bool) -> None:
    assert TRUSTED.is_https(peer, Headers({"x-forwarded-proto": said})) is is_https
    assert not TrustedProxies().is_https(peer, Headers({"x-forwarded-proto": said}))


@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.0.0.5", "fd00::/64"])
def test_networks_and_addresses_may_be_trusted(network: str) -> None:
    assert network_problem(network) is None


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "proxy.plant.example", "10.0.0.5/8", ""])
def test_everybody_names_and_no_networks_may_not(network: str) -> None:
    assert network_problem(network)


def test_an_origin_is_compared_as_browsers_write_it() -> None:
    assert netloc_of("https://Inspector.Plant.Example:443") == "inspector.plant.example"
    assert netloc_of("http://line-1:8080/") == "line-1:8080"


def failed_from(page: GuardedPage, client: httpx.Client, headers: dict[str, str]) -> str:
    """What the audit log says where a wrong token came from."""
    wrong = {"authorization": "Bearer inspector_00000000_x"}
    assert client.get("/live", headers=wrong | headers).status_code == 401
    return page.records[-1].target


def test_the_audit_log_has_the_address_that_a_trusted_proxy_says(tmp_path: Path) -> None:
    with guarded_page(tmp_path, web=HERE) as page, page.client() as client:
        assert failed_from(page, client, {"x-forwarded-for": "1.1.1.1, 203.0.113.7"}) == "203.0.113.7"


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "client-ip"])
def test_without_a_trusted_proxy_the_address_is_that_of_the_connection(tmp_path: Path, name: str) -> None:
    with guarded_page(tmp_path) as page, page.client() as client:
        assert failed_from(page, client, {name: "203.0.113.7"}) == "127.0.0.1"


def test_failed_sign_ins_are_limited_by_the_clients_address_and_not_by_the_proxys(tmp_path: Path) -> None:
    rates = RateSettings(sign_ins_per_minute=2.0)
    access = AccessSettings(token_file=tmp_path / "tokens.json", rates=rates)
    wrong = {"authorization": "Bearer inspector_00000000_x"}
    with guarded_page(tmp_path, access, web=HERE) as page, page.client() as client:

        def asked(chain: str) -> int:
            return client.get("/live", headers=wrong | {"x-forwarded-for": chain}).status_code

        assert [asked(f"1.1.1.{number}, 203.0.113.7") for number in range(3)] == [401, 401, 429]
        assert asked("203.0.113.8") == 401


def test_forged_addresses_do_not_escape_the_limit(tmp_path: Path) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", rates=RateSettings(requests_per_s=0.01, burst_s=500.0))
    with guarded_page(tmp_path, access) as page, page.client() as client:
        forged = [{"x-forwarded-for": f"203.0.113.{number}"} for number in range(8)]
        codes = [client.get("/sign-in", headers=headers).status_code for headers in forged]
    assert codes == [200] * 5 + [429] * 3


def test_cookies_are_for_tls_only_where_a_trusted_proxy_was_asked_over_tls(tmp_path: Path) -> None:
    with guarded_page(tmp_path, web=HERE) as page, page.client() as client:
        client.headers["x-forwarded-proto"] = "https"
        assert sign_in(client, page.tokens[Role.VIEWER]).headers["set-cookie"].startswith("__Host-inspector_session=")


def test_nobody_else_makes_cookies_for_tls_only(tmp_path: Path) -> None:
    with guarded_page(tmp_path) as page, page.client() as client:
        client.headers["x-forwarded-proto"] = "https"
        assert sign_in(client, page.tokens[Role.VIEWER]).headers["set-cookie"].startswith("inspector_session=")


def test_the_provider_leads_back_to_the_public_address(tmp_path: Path) -> None:
    with (
        served() as (_, oidc),
        guarded_page(tmp_path, AccessSettings(oidc=oidc), web=PUBLIC) as page,
        page.client() as client,
    ):
        led = client.get("/sign-in/provider", headers={"host": "elsewhere.example"})
    redirect = parse_qs(urlsplit(led.headers["location"]).query)["redirect_uri"]
    assert redirect == ["https://inspector.plant.example/sign-in/callback"]


@pytest.mark.parametrize(
    ("origin", "code"),
    [("https://inspector.plant.example", 303), ("https://elsewhere.example", 403), ("null", 403)],
)
def test_a_form_of_the_public_page_works_through_a_proxy_that_renames_it(
    tmp_path: Path, origin: str, code: int
) -> None:
    with guarded_page(tmp_path, web=PUBLIC) as page, page.client() as client:
        client.headers["origin"] = origin
        client.headers["x-forwarded-proto"] = "https"
        assert sign_in(client, page.tokens[Role.VIEWER]).status_code == code


def test_a_page_without_roles_refuses_what_a_proxy_passes_on(tmp_path: Path) -> None:
    with guarded_page(tmp_path, AccessSettings(), web=HERE) as page, page.client() as client:
        assert client.get("/live", headers={"x-forwarded-for": "203.0.113.7"}).status_code == 403
