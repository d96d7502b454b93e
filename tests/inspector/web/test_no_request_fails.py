"""No address, query, head or body makes the page answer with 500."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.convertors import IntegerConvertor
from starlette.routing import Route
from starlette.testclient import TestClient

from inspector.access.settings import AccessSettings, RateSettings
from inspector.alerts.desk import AlertDesk
from inspector.alerts.settings import AlertSettings
from inspector.archive.chart_figures import ChartFigures
from inspector.web.access import page_access
from inspector.web.app import create_app, page_routes
from inspector.web.feedback import FeedbackDesk
from tests.inspector.web.asgi import statuses
from tests.inspector.web.review_parts import review_pages

ROUTES = [route for route in page_routes() if isinstance(route, Route) and route.path != "/events"]
FIELDS = (
    "line", "station", "product", "lot", "piece", "class", "bundle", "decision", "score_from", "score_to", "since",
    "until", "before", "after", "q", "range", "next", "state", "code",
)  # fmt: skip
NASTY = [
    "9" * 5000, "9" * 19, "9" * 30, "0" * 20 + "9" * 30, "-1", "1e999", "nan", "inf", "0001-01-01", "9999-01-01",
    "9999-12-31T23:59:59+00:00", "2199-12-31T23:59:59-12:00", "1970-01-01", "\x00", "[" * 3000, "٣", "²", "\ud800x",
    "9999999999999999999-" + "a" * 32, "", " ", "..", "%", "a/b",
]  # fmt: skip
BODIES = [
    b"[" * 200_000, b'{"note":' * 50_000, b"9" * 5000, b"\xff\xfe", b'{"note": "\\ud800", "minutes": 5, "label": "ok"}',
    b'{"note": "\\u0000", "minutes": 5, "label": "ok", "token": "\\u0000"}', b'{"minutes": 1e999}',
    b'{"minutes": NaN}', b'{"minutes": ' + b"9" * 4000 + b"}", b'{"label": "ok", "token": "x", "defects": [[[]]]}',
    b'{"label": {}, "defects": {}, "note": [], "token": 1, "minutes": {}}', b"null", b"",
]  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(max_size=40) | st.integers().map(str)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Archive, charts, alerts, findings and review desk behind it."""
    with review_pages(tmp_path_factory.mktemp("pages"), 2) as pages:
        database = pages.desk.database
        feedback = FeedbackDesk(pages.log, "inspection", ("line-1",))
        access = page_access(AccessSettings(rates=RateSettings(requests_per_s=1e9, acts_per_minute=1e9)), "127.0.0.1:0")
        floor = replace(
            pages.page,
            alerts=AlertDesk(database, AlertSettings()),
            chart_figures=ChartFigures(database),
            feedback=feedback,
            access=replace(access, hosts=None),
        )
        with TestClient(create_app(floor), raise_server_exceptions=True, follow_redirects=False) as client:
            yield client
        feedback.close()


def test_no_path_holds_an_unbounded_number() -> None:
    assert not [route.path for route in ROUTES if IntegerConvertor in map(type, route.param_convertors.values())]


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 5000])
@pytest.mark.parametrize("path", [route.path for route in ROUTES if ":number}" in route.path])
def test_a_number_that_no_database_holds_is_not_found(client: TestClient, path: str, digits: str) -> None:
    assert client.get(re.sub(r"{\w+:number}", digits, path)).status_code == 404


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_of_an_address_fails(client: TestClient, name: str) -> None:
    paths = ("/pieces", "/pieces/new", "/pieces/search", "/charts", "/charts/yield.json", "/alerts", "/sign-in")
    addresses = [(path, {"after": "0", name: printable(value)}) for path in paths for value in NASTY]
    answers = list(zip(addresses, statuses(client.app, addresses), strict=True))
    assert [answer for answer in answers if answer[1] in (500, 503)] == []
    assert 200 in {status for _, status in answers}


@pytest.mark.parametrize("path", [route.path for route in ROUTES if "POST" in (route.methods or ())])
def test_no_body_fails(client: TestClient, path: str) -> None:
    address = re.sub(r"{\w+(:\w+)?}", "1", path)
    for body in BODIES:
        assert client.post(address, content=body).status_code not in (500, 503)


@pytest.mark.parametrize("name", ["host", "cookie", "authorization", "origin", "last-event-id", "accept"])
def test_no_head_fails(client: TestClient, name: str) -> None:
    for value in ("[", "[::1", "a:b:c", "\xff", "inspector_session=\xff", "Bearer \xff", "9" * 5000, "x:99999999", ""):
        for path in ("/", "/pieces", "/missing"):
            headers = {"accept": "text/html", name: value}
            assert (
                client.get(path, headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()]).status_code
                < 500
            )


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ROUTES), st.data())
def test_no_request_fails(client: TestClient, route: Route, data: st.DataObject) -> None:
    path = re.sub(r"{\w+(:\w+)?}", lambda _: quote(printable(data.draw(TEXTS)), safe=""), route.path)
    query = data.draw(st.dictionaries(st.sampled_from(FIELDS), TEXTS.map(printable), max_size=3))
    method = "POST" if "POST" in (route.methods or ()) else "GET"
    body = data.draw(st.sampled_from(BODIES) | st.binary(max_size=40)) if method == "POST" else None
    answer = client.request(method, path or "/", params=query, content=body)
    assert answer.status_code != 500


def printable(text: str) -> str:
    """A client sends UTF-8."""
    return text.encode("utf-8", "replace").decode()
