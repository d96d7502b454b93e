"""Requests as an attacker makes them: hostile names of the page, foreign origins, people who wait for a provider."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings, OidcSettings, RateSettings
from tests.inspector.web.guarded import GuardedPage, certificates, form_token, guarded_page, sign_in

NUM_WAITING = 60
"""More than the threads of the page (40)."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[GuardedPage]:
    with guarded_page(tmp_path) as running:
        yield running


HOSTILE_HOSTS = ["x/sign-in?", "127.0.0.1/sign-in#", "x/sign-out?a=", "127.0.0.1:80/sign-in?"]


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_hostile_name_of_the_page_does_not_spare_the_form_token(page: GuardedPage, host: str) -> None:
    """The address that a name with a slash makes must not be taken for the one of the sign-in form."""
    with page.client() as client:
        sign_in(client, page.tokens[Role.OPERATOR])
        assert client.post("/review/undo", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_hostile_name_of_the_page_does_not_escape_the_limit_of_changes(tmp_path: Path, host: str) -> None:
    access = AccessSettings(token_file=tmp_path / "tokens.json", rates=RateSettings(acts_per_minute=2.0))
    with guarded_page(tmp_path, access) as page, page.client() as client:
        headers = {"authorization": f"Bearer {page.tokens[Role.OPERATOR]}", "host": host}
        codes = [client.post("/review/undo", headers=headers).status_code for _ in range(4)]
    assert codes[-1] == 429


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_person_is_led_back_to_the_path_that_was_asked_for(page: GuardedPage, host: str) -> None:
    with page.client() as client:
        led = client.get("/pieces", headers={"host": host, "accept": "text/html"})
    assert led.headers["location"] == "/sign-in?next=%2Fpieces"


def test_no_address_leads_to_a_name_that_the_client_made_up(page: GuardedPage) -> None:
    with page.client() as client:
        for path in ("/pieces/", "/sign-in/", "/static/"):
            answer = client.get(path, headers={"host": "elsewhere.example", "accept": "text/html"})
            assert "elsewhere" not in answer.headers.get("location", "")


def raw(page: GuardedPage, *lines: str) -> bytes:
    """The first line of the answer."""
    host, port = page.address.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(4096).split(b"\r\n")[0]


def test_an_origin_without_a_name_is_foreign_also_where_the_request_names_no_host(page: GuardedPage) -> None:
    with page.client() as client:
        sign_in(client, page.tokens[Role.OPERATOR])
        cookie, token = client.cookies["inspector_session"], form_token(client, "/")
    credentials = (f"Cookie: inspector_session={cookie}", f"X-Form-Token: {token}", "Content-Length: 0")
    assert b" 403 " in raw(page, "POST /review/undo HTTP/1.0", "Origin: null", *credentials)
    assert b" 404 " in raw(page, "POST /review/undo HTTP/1.0", *credentials)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1.elsewhere.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
def test_no_foreign_page_changes_anything_even_with_the_right_form_token(
    page: GuardedPage, headers: dict[str, str]
) -> None:
    with page.client() as client:
        sign_in(client, page.tokens[Role.OPERATOR])
        token = {"x-form-token": form_token(client, "/")}
        assert client.post("/review/undo", headers=token | headers).status_code == 403
        assert client.post("/review/undo", headers=token).status_code == 404


@contextmanager
def silent_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """Takes connections and says nothing; gives its address, and what closes all of them."""
    kept = list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0), backlog=NUM_WAITING) as listening:

        def take() -> None:
            while True:
                try:
                    kept.append(listening.accept()[0])
                except OSError:
                    return

        def end() -> None:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(30)
            for connection in kept:
                connection.close()

        thread = Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", end


def test_people_who_wait_for_a_silent_provider_do_not_stop_the_page(tmp_path: Path) -> None:
    """Anybody may begin a sign-in at the provider, so those that wait for it take no thread from anybody else."""
    with silent_server() as (issuer, end):
        oidc = OidcSettings(issuer, "inspector", groups={"lab": Role.VIEWER}, timeout_s=160.0)
        access = AccessSettings(token_file=tmp_path / "tokens.json", oidc=oidc)
        with guarded_page(tmp_path, access) as page, ThreadPoolExecutor(NUM_WAITING) as people:

            def begin(_: int) -> int:
                with httpx.Client(base_url=page.address, timeout=170.0, verify=certificates()) as client:
                    return client.get("/sign-in/provider").status_code

            begun = [people.submit(begin, number) for number in range(NUM_WAITING)]
            viewer = {"authorization": f"Bearer {page.tokens[Role.VIEWER]}"}
            try:
                with httpx.Client(base_url=page.address, timeout=60.0, headers=viewer) as client:
                    assert [client.get("/live").status_code for _ in range(20)] == [200] * 20
                assert not any(each.done() for each in begun)
            finally:
                end()
            assert {each.result() for each in begun} == {503}
