"""Route by role over real HTTP: every cell, and every kind of credential."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Mount, Route

from inspector.access.roles import ACTIONS, Role
from inspector.access.settings import AccessSettings, RateSettings
from inspector.web.actions import OPEN, action_of, guarded, needs, undeclared
from inspector.web.app import page_routes
from tests.inspector.access.people import expired_token, revoked_token, served
from tests.inspector.web.guarded import GuardedPage, guarded_page

ROUTES = [
    (route, method)
    for route in page_routes()
    if isinstance(route, Route)
    for method in sorted(route.methods or ())
    if method != "HEAD"
]
VALUES = {"int": "1", "": "x", "path": "x", "str": "x"}


def address(route: Route) -> str:
    """The route's path with a value for each parameter."""
    return re.sub(r"\{\w+:?(\w*)\}", lambda match: VALUES[match[1]], route.path)


def status(client: httpx.Client, route: Route, method: str, **headers: str) -> int:
    """Of the answer's head: event streams never end."""
    with client.stream(method, address(route), headers={"accept": "application/json", **headers}) as answer:
        return answer.status_code


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedPage]:
    folder = tmp_path_factory.mktemp("roles")
    rates = RateSettings(sign_ins_per_minute=100_000.0)
    with guarded_page(folder, AccessSettings(token_file=folder / "tokens.json", rates=rates)) as running:
        yield running


@pytest.fixture
def client(page: GuardedPage) -> Iterator[httpx.Client]:
    with page.client() as opened:
        yield opened


def test_every_route_declares_its_action() -> None:
    assert undeclared(page_routes()) == []


def test_only_sign_in_needs_no_role() -> None:
    assert {route.path for route, _ in ROUTES if action_of(route) == OPEN} == {
        "/sign-in",
        "/sign-in/provider",
        "/sign-in/callback",
        "/sign-out",
    }


def test_a_route_that_changes_something_needs_more_than_a_viewer() -> None:
    for route, method in ROUTES:
        action = action_of(route)
        if method != "GET" and action != OPEN:
            assert ACTIONS[action or ""] > Role.VIEWER, route.path


@pytest.mark.parametrize(("route", "method"), ROUTES, ids=lambda value: getattr(value, "path", value))
def test_the_table_of_routes_and_roles(page: GuardedPage, client: httpx.Client, route: Route, method: str) -> None:
    """Every cell of the route's row; an admitted request may still be unknown, wrong, or unavailable."""
    action = action_of(route)
    assert action is not None
    for role in Role:
        code = status(client, route, method, authorization=f"Bearer {page.tokens[role]}")
        if action == OPEN:
            assert code != 401, (role, code)
        elif role >= ACTIONS[action]:
            assert code not in (401, 403), (role, code)
        else:
            assert code == 403, (role, code)


WRONG = ["nothing", "revoked", "expired", "unknown", "garbage", "basic", "a foreign cookie"]


@pytest.mark.parametrize("kind", WRONG)
def test_without_right_credentials_no_route_answers_but_sign_in(
    page: GuardedPage, client: httpx.Client, kind: str
) -> None:
    headers = {
        "nothing": dict,
        "revoked": lambda: {"authorization": f"Bearer {revoked_token(page.file)}"},
        "expired": lambda: {"authorization": f"Bearer {expired_token(page.file)}"},
        "unknown": lambda: {"authorization": "Bearer inspector_00000000_x"},
        "garbage": lambda: {"authorization": "Bearer a.b.c"},
        "basic": lambda: {"authorization": f"Basic {page.tokens[Role.ENGINEER]}"},
        "a foreign cookie": lambda: {"cookie": "inspector_session=guessed"},
    }[kind]()
    for route, method in ROUTES:
        if action_of(route) != OPEN:
            assert status(client, route, method, **headers) == 401, route.path


def test_signed_tokens_of_a_provider_open_the_page_and_wrong_ones_do_not(tmp_path: Path) -> None:
    now_s = int(time.time())
    with (
        served() as (provider, oidc),
        guarded_page(tmp_path, AccessSettings(oidc=oidc)) as page,
        page.client() as client,
    ):
        route = next(route for route, _ in ROUTES if route.path == "/live")
        wrong = (
            provider.token(exp=now_s - 1),
            provider.token(aud="canteen"),
            provider.token(key=provider.other),
            provider.token(groups=[]),
        )
        assert status(client, route, "GET", authorization=f"Bearer {provider.token()}") == 200
        for token in wrong:
            assert status(client, route, "GET", authorization=f"Bearer {token}") == 401


def test_styles_and_scripts_need_no_sign_in(client: httpx.Client) -> None:
    assert client.get("/static/style.css").status_code == 200
    assert client.get("/static/../pages/sign_in.py").status_code == 404


def test_a_refusal_says_who_may(page: GuardedPage, client: httpx.Client) -> None:
    answer = client.post("/review/answer", headers={"authorization": f"Bearer {page.tokens[Role.VIEWER]}"})
    assert answer.json()["detail"].startswith("viewer-1 is viewer, and review.answer needs operator")


async def _endpoint(request: object) -> object:
    raise NotImplementedError


def test_a_route_without_an_action_is_open_to_nobody_who_has_a_role() -> None:
    assert undeclared([Route("/new", _endpoint)]) == ["/new"]
    with pytest.raises(KeyError, match="is no action"):
        needs("fly")


def test_a_route_that_cannot_be_guarded_is_refused_at_the_start() -> None:
    with pytest.raises(TypeError, match="is no Route"):
        list(guarded([Mount("/x", routes=[])]))


def test_guarding_the_routes_twice_does_not_guard_them_twice() -> None:
    route = Route("/x", _endpoint)
    app = route.app
    list(guarded([route]))
    assert route.app is app
