"""The Alerts page, through starlette's own client."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from inspector.access.principal import Principal
from inspector.access.roles import Role
from inspector.alerts.alert import Alert
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.place import Place
from inspector.alerts.settings import AlertSettings, WebhookSettings
from inspector.archive.database import Database
from inspector.web.alert_news import news_of
from inspector.web.app import create_app
from inspector.web.settings import WebSettings
from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.archive.tables import make_tables
from tests.inspector.web.parts import floor_with

NS = 10**9
START_NS = 1_790_000_000 * NS
HOSTILE = '"><img src=x onerror=alert(1)>'


class AlertPages:
    """An app with a desk, and alerts raised at will."""

    def __init__(self, folder: Path) -> None:
        self.log = EmbeddedLog(folder / "log.sqlite", EmbeddedSettings())
        self.database = Database(f"sqlite:///{folder / 'archive.sqlite'}")
        make_tables(self.database)
        self.desk = AlertDesk(self.database, AlertSettings(targets=(WebhookSettings("hook"),), tell_within_s=1e12))
        self.floor = replace(floor_with(WebSettings(), self.log), alerts=self.desk)
        self.client = TestClient(create_app(self.floor))
        self._number = 0

    def raised(self, station: str = "press", title: str = "defects: more FAIL", level: str = "act_now") -> Alert:
        self._number += 1
        finding = Finding(Place("cup/defects", "line-1", f"{station}-{self._number}"), level, title, "9 of 90 pieces")  # type: ignore[arg-type]
        with self.database.write() as connection:
            alert = self.desk.raise_at(connection, finding, f"v@{self._number}", START_NS + self._number * NS)
        assert alert is not None
        return alert

    def resolved(self, alert: Alert) -> None:
        with self.database.write() as connection:
            self.desk.resolve_at(connection, alert.place, "back to 2 %", alert.raised_ns + NS)

    def token(self) -> dict[str, str]:
        """Proves that a post comes from our own page."""
        field = re.search(r'name="form-token" content="([^"]*)"', self.client.get("/alerts").text)
        assert field
        return {"x-form-token": field[1], "origin": "http://testserver"}

    def close(self) -> None:
        self.client.close()
        self.database.close()
        self.log.close()


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[AlertPages]:
    with closing(AlertPages(tmp_path)) as pages:
        yield pages


def test_a_quiet_floor_says_so(pages: AlertPages) -> None:
    text = pages.client.get("/alerts").text
    assert "No alert is open." in text
    assert "No alert was resolved yet." in text


def test_open_alerts_come_first_with_level_place_and_state(pages: AlertPages) -> None:
    first, second = pages.raised(), pages.raised(level="look_later")
    pages.desk.acknowledge(first.key, "Ann", "looking")
    pages.desk.silence(second.key, 3600, "Bob", "known")
    gone = pages.raised("drill")
    pages.resolved(gone)
    text = pages.client.get("/alerts").text
    opened, ended = text.split("<h2>Resolved</h2>")
    assert opened.index(second.key) < opened.index(first.key)
    assert "act now" in opened
    assert "look later" in opened
    assert "acknowledged by <bdi>Ann</bdi>" in opened
    assert "silenced until" in opened
    assert gone.key in ended
    assert first.key not in ended
    assert "6 events wait for delivery to <bdi>hook</bdi>" in text


def test_an_alert_has_its_history_and_leads_to_its_pieces(pages: AlertPages) -> None:
    alert = pages.raised()
    pages.desk.acknowledge(alert.key, "Ann", "looking")
    pages.resolved(alert)
    text = pages.client.get(f"/alerts/{alert.key}").text
    assert re.findall(r"<td>(raised|acknowledged|resolved)</td>", text) == ["raised", "acknowledged", "resolved"]
    assert "back to 2 %" in text
    assert f"/pieces?line=line-1&amp;station={alert.place.station}&amp;since=2026-09-21T" in text
    assert '<form class="panel stack" id="acknowledge">' not in text, "there is nothing left to acknowledge"


def test_acknowledging_and_silencing_are_of_the_one_who_is_signed_in(pages: AlertPages) -> None:
    alert, token = pages.raised(), pages.token()
    answer = pages.client.post(f"/alerts/{alert.key}/acknowledge", json={"note": "looking", "by": "Eve"}, headers=token)
    assert answer.json() == {"state": "acknowledged"}
    answer = pages.client.post(f"/alerts/{alert.key}/silence", json={"note": "known", "minutes": 60}, headers=token)
    assert answer.status_code == 200
    kept = pages.desk.alert(alert.key)
    assert (kept.acknowledged_by, kept.note) == ("local", "looking")
    assert kept.silence is not None
    assert kept.silence.by == "local"
    assert pages.client.post(f"/alerts/{alert.key}/silence/end", json={}, headers=token).status_code == 200
    assert pages.desk.alert(alert.key).silence is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("acknowledge", {"note": 7}, 400),
        ("acknowledge", {"note": "x" * 3000}, 409),
        ("acknowledge", [], 400),
        ("silence", {"minutes": 0}, 400),
        ("silence", {"minutes": "60"}, 400),
        ("silence", {"minutes": 1e9}, 400),
        ("silence", {"minutes": True}, 400),
        ("silence/end", {}, 409),
    ],
)
def test_what_cannot_be_done_is_said(pages: AlertPages, path: str, body: object, status: int) -> None:
    alert = pages.raised()
    answer = pages.client.post(f"/alerts/{alert.key}/{path}", json=body, headers=pages.token())
    assert answer.status_code == status


def test_a_resolved_alert_cannot_be_acknowledged(pages: AlertPages) -> None:
    alert = pages.raised()
    pages.resolved(alert)
    assert pages.client.post(f"/alerts/{alert.key}/acknowledge", json={}, headers=pages.token()).status_code == 409


def test_a_post_from_elsewhere_changes_nothing(pages: AlertPages) -> None:
    alert = pages.raised()
    answer = pages.client.post(f"/alerts/{alert.key}/acknowledge", json={}, headers={"origin": "http://elsewhere"})
    assert answer.status_code == 403
    assert pages.desk.alert(alert.key).acknowledged_by == ""


def test_an_alert_that_does_not_exist_is_not_found(pages: AlertPages) -> None:
    assert pages.client.get("/alerts/nothing").status_code == 404
    assert pages.client.post("/alerts/nothing/acknowledge", json={}, headers=pages.token()).status_code == 409


@pytest.mark.parametrize("before", ["x", "1-2", "9" * 30 + "-" + "a" * 32, "-1-" + "a" * 32])
def test_a_wrong_place_in_the_list_is_refused(pages: AlertPages, before: str) -> None:
    assert pages.client.get("/alerts", params={"before": before}).status_code == 400


def test_the_history_pages_without_gap_or_repetition(pages: AlertPages) -> None:
    keys = []
    for _ in range(120):
        alert = pages.raised()
        pages.resolved(alert)
        keys.append(alert.key)
    seen, address = [], "/alerts"
    while address:
        text = pages.client.get(address).text
        seen += re.findall(r'<th scope="row"><a href="/alerts/([0-9a-f]{32})">', text)
        older = re.search(r'rel="next" href="([^"]*)"', text)
        address = older[1] if older else ""
    assert seen == keys[::-1]


def test_hostile_names_are_shown_as_text(pages: AlertPages) -> None:
    alert = pages.raised(station=HOSTILE, title=HOSTILE)
    pages.desk.acknowledge(alert.key, HOSTILE, HOSTILE)
    for address in ("/alerts", f"/alerts/{alert.key}"):
        text = pages.client.get(address).text
        assert "<img" not in text
        assert "&lt;img" in text


def test_the_news_count_open_alerts_and_name_the_most_urgent(pages: AlertPages) -> None:
    later, now = pages.raised(level="look_later"), pages.raised(title="cracks")
    news = news_of(pages.desk.overview().alerts)
    assert (news["act_now"], news["look_later"], news["unanswered"]) == (1, 1, 2)
    assert news["newest"] == f"cracks, line-1/{now.place.station}"
    pages.desk.acknowledge(now.key, "Ann", "")
    changed = news_of(pages.desk.overview().alerts)
    assert changed["mark"] != news["mark"]
    assert changed["newest"] == f"{later.title}, line-1/{later.place.station}"


def test_a_floor_without_alerts_says_what_they_need(tmp_path: Path) -> None:
    with closing(EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings())) as log:
        client = TestClient(create_app(floor_with(WebSettings(), log)))
        answer = client.get("/alerts")
    assert answer.status_code == 404
    assert "they need [archive] and [alerts]" in answer.text


def test_roles_decide_who_may_do_what() -> None:
    from inspector.access.principal import may

    viewer, operator, quality = (Principal("x", role, "token") for role in (Role.VIEWER, Role.OPERATOR, Role.QUALITY))
    assert may(viewer, "alerts.see")
    assert not may(viewer, "alerts.acknowledge")
    assert may(operator, "alerts.acknowledge")
    assert not may(operator, "alerts.silence")
    assert may(quality, "alerts.silence")
