"""The Alerts page in a real browser: news without a reload, by keyboard alone, accessible, at two widths."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from inspector.alerts.alert import Alert
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.place import Place
from inspector.alerts.settings import AlertSettings
from inspector.archive.opening import open_database
from tests.inspector.web.accessibility import serious_findings
from tests.inspector.web.conftest import NARROW
from tests.inspector.web.running_line import RunningLine

pytestmark = pytest.mark.broker

HOSTILE = '"><img src=x onerror=alert(1)>'


class Raiser:
    """Raises alerts into the database of the running floor, as its follower does."""

    def __init__(self, line: RunningLine) -> None:
        self._database = open_database(line.service.path, line.service.config.archive.settings)
        self.desk = AlertDesk(self._database, AlertSettings())
        self.keys: list[str] = []

    def raised(self, title: str, station: str = "station-1") -> Alert:
        """Of a condition that the running floor watches, so that it leaves the alert alone."""
        finding = Finding(Place("lag", "line-1", f"{station}-{len(self.keys)}"), "act_now", title, "5 of 10 pieces")
        with self._database.write() as connection:
            alert = self.desk.raise_at(connection, finding, f"{time.time_ns()}", time.time_ns())
        assert alert is not None
        self.keys.append(alert.key)
        return alert

    def resolve_all(self) -> None:
        with self._database.write() as connection:
            for alert in self.desk.overview().alerts:
                self.desk.resolve_at(connection, alert.place, "it is over", time.time_ns())

    def close(self) -> None:
        self.resolve_all()
        self._database.close()


@pytest.fixture
def raiser(line: RunningLine) -> Iterator[Raiser]:
    with closing(Raiser(line)) as raiser:
        yield raiser


def test_a_new_alert_shows_on_every_page_and_in_the_list_without_a_reload(
    line: RunningLine, raiser: Raiser, page: Page
) -> None:
    page.goto(f"{line.address}/")
    badge = page.locator(".badge")
    raiser.raised("pieces wait too long")
    expect(badge).to_have_text("1")
    expect(badge).to_have_attribute("aria-label", "1 to act on now")
    page.goto(f"{line.address}/alerts")
    expect(page.locator("#open tbody tr")).to_have_count(1)
    raiser.raised("another one")
    expect(page.locator("#open tbody tr")).to_have_count(2)
    raiser.resolve_all()
    expect(page.get_by_text("No alert is open.")).to_be_visible()
    expect(badge).to_be_hidden()


def test_a_list_that_is_being_read_does_not_move(line: RunningLine, raiser: Raiser, page: Page) -> None:
    raiser.raised("first")
    page.goto(f"{line.address}/alerts")
    page.locator("#open a").first.focus()
    raiser.raised("second")
    expect(page.get_by_role("link", name="Alerts have changed: show them")).to_be_visible()
    expect(page.locator("#open tbody tr")).to_have_count(1)


def test_an_alert_is_acknowledged_and_silenced_by_keyboard_alone(line: RunningLine, raiser: Raiser, page: Page) -> None:
    alert = raiser.raised("first")
    raiser.raised("second")
    page.goto(f"{line.address}/alerts")
    page.locator("#open a").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/alerts/{alert.key}")
    page.locator("#a-note").focus()
    page.keyboard.type("changing the tool")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text("acknowledged")
    expect(page.get_by_text("changing the tool")).to_be_visible()
    page.locator("#s-minutes").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("known")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="End the silence")).to_be_visible()
    kept = raiser.desk.alert(alert.key)
    assert kept.silence is not None
    assert kept.silence.note == "known"


def test_what_cannot_be_done_any_more_is_said(line: RunningLine, raiser: Raiser, page: Page) -> None:
    alert = raiser.raised("first")
    page.goto(f"{line.address}/alerts/{alert.key}")
    raiser.resolve_all()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("alert")).to_contain_text("is resolved")


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_both_pages_are_accessible_and_fit_with_hostile_names(
    line: RunningLine, raiser: Raiser, context: BrowserContext, page: Page, width: str
) -> None:
    alert = raiser.raised(HOSTILE, HOSTILE + "x" * 60)
    raiser.desk.acknowledge(alert.key, HOSTILE, HOSTILE)
    if width == "narrow":
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    for address in ("/alerts", f"/alerts/{alert.key}"):
        page.goto(f"{line.address}{address}")
        expect(page.locator("h1")).to_be_visible()
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
