"""Routes, guards and error pages, through starlette's own client."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from inspector.access.settings import AccessSettings
from inspector.web.access import page_access
from inspector.web.app import create_app, page_routes
from inspector.web.settings import WebSettings
from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.web.parts import floor_with


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    log = EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings())
    floor = floor_with(WebSettings(max_body_bytes=1000), log)
    app = create_app(floor)
    app.router.routes.append(Route("/echo", _echo, methods=["POST"]))
    app.router.routes.append(Route("/broken", _broken))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    log.close()


async def _echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def _broken(request: Request) -> Response:
    raise RuntimeError("secret of the house")


def test_the_line_page_is_at_the_root(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<title>Line · inspector</title>" in answer.text


def test_every_page_module_has_routes() -> None:
    assert "/" in {getattr(route, "path", "") for route in page_routes()}


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/static/style.css", "/nowhere", "/broken"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_templates_hold_no_inline_script_and_no_inline_style() -> None:
    templates = Path("inspector/web/templates").glob("*.html")
    for text in (path.read_text(encoding="utf-8") for path in templates):
        assert "<style" not in text
        assert "style=" not in text
        assert " on" + "click=" not in text


def test_an_unknown_address_is_a_page_for_people_and_json_for_scripts(client: TestClient) -> None:
    page = client.get("/nowhere", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert client.get("/nowhere", headers={"accept": "application/json"}).json()["error"] == "There is nothing here"


def test_an_error_page_tells_nothing_of_the_error(client: TestClient) -> None:
    page = client.get("/broken", headers={"accept": "text/html"})
    assert page.status_code == 500
    assert "secret" not in page.text


def test_a_body_up_to_the_limit_is_taken_and_a_larger_one_refused(client: TestClient) -> None:
    assert client.post("/echo", content=b"x" * 1000).status_code == 200
    assert client.post("/echo", content=b"x" * 1001).status_code == 413


def test_static_files_are_asked_for_again_and_sent_only_when_they_changed(client: TestClient) -> None:
    first = client.get("/static/style.css")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/style.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/events.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "charts/../../app.py", ""]
)
def test_nothing_but_static_files_can_be_had(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404


def test_where_nobody_signs_in_the_sign_in_page_says_so(tmp_path: Path) -> None:
    with closing(EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings())) as log:
        floor = replace(floor_with(WebSettings(), log), access=page_access(AccessSettings(), "127.0.0.1:0"))
        with TestClient(create_app(floor), base_url="http://127.0.0.1") as client:
            assert "Nobody needs to sign in here" in client.get("/sign-in").text
