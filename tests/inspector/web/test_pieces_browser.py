"""Pieces, one piece and charts in a real browser, on a filled archive."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from inspector.verdicts.records import verdict_output
from inspector.web.piece_links import piece_path
from inspector.web.server import WebServer, listening_socket
from inspector.web.settings import WebSettings
from inspector.web.state import Floor
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import InspectionId
from streams.records import Shard, Topics
from tests.inspector.web.accessibility import serious_findings
from tests.inspector.web.conftest import NARROW, WIDE
from tests.inspector.web.filled_archive import START_NS, verdict_of
from tests.inspector.web.piece_parts import HOSTILE, Pages, open_pages
from tests.inspector.web.test_piece import PIECE, detailed, stored_feedback

pytestmark = pytest.mark.broker

NUM_PIECES = 600
RANGE = "since=2025-11-30T08:00:00Z&until=2025-11-30T08:10:00Z"


@dataclass
class Site:
    """Pages on a server of their own."""

    address: str
    pages: Pages

    def judge(self, verdict: Verdict) -> None:
        """As line and archive do it: first the log, then the archive."""
        output = verdict_output(Topics("inspection", "line-1"), Shard("line-1", 0), verdict)
        with closing(self.pages.log.publisher()) as publisher:
            publisher.publish([output])
            publisher.flush()
        self.pages.archive.put(verdict)


@contextmanager
def served(pages: Pages) -> Iterator[Site]:
    floor: Floor = pages.app.state.floor
    server = WebServer(pages.app, listening_socket("127.0.0.1:0"), WebSettings())
    with server.running(floor.hub, pages.log):
        yield Site(server.address, pages)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_pages(tmp_path_factory.mktemp("pages")) as pages:
        pages.archive.fill(NUM_PIECES)
        pages.archive.put(detailed())
        with served(pages) as site:
            yield site


def shown_pieces(page: Page) -> list[str]:
    return page.locator("#pieces tbody th a").all_text_contents()


def new_piece(name: str) -> Verdict:
    """Judged now."""
    verdict = verdict_of(7, entry_ns=time.time_ns())
    verdict.inspection.piece_id = name
    return verdict


def test_the_filter_form_makes_an_address_that_shows_the_same_again(page: Page, site: Site, context: BrowserContext):
    page.goto(f"{site.address}/pieces")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Station").select_option("press")
    page.get_by_label("Score from").fill("0.4")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/pieces?*")
    names = shown_pieces(page)

    query = parse_qs(urlsplit(page.url).query)
    assert query == {"station": ["press"], "score_from": ["0.4"]}
    assert names
    other = context.new_page()
    other.goto(page.url)
    assert shown_pieces(other) == names
    expect(other.get_by_label("Station")).to_have_value("press")


def test_a_time_field_is_by_the_clock_of_the_browser(browser: Browser, site: Site) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(f"{site.address}/pieces?since=2025-11-30T08:00:00Z")

    expect(page.get_by_label("Time from")).to_have_value(re.compile("2025-11-30T17:00(:00)?"))
    page.get_by_label("Time from").fill("2025-11-30T17:00:10")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**10Z*")
    assert parse_qs(urlsplit(page.url).query)["since"] == ["2025-11-30T08:00:10Z"]
    context.close()


def test_a_decision_is_one_click_and_can_be_taken_back(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/pieces")
    decisions = page.get_by_role("navigation", name="Decisions")
    decisions.get_by_role("link", name="REVIEW").click()
    page.wait_for_url("**decision=review*")
    assert set(page.locator("#pieces .decision").all_text_contents()) == {"REVIEW"}
    decisions.get_by_role("link", name="REVIEW").click()
    page.wait_for_url("**/pieces")


def test_the_list_is_used_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/pieces")
    names = shown_pieces(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#pieces') !== null"):
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == names[1]
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == names[-1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Older"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pieces/line-1/**")
    assert page.locator("h1").text_content() == names[1]


def test_a_new_piece_is_counted_and_moves_nothing_until_it_is_asked_for(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/pieces")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    third = page.locator("#pieces tbody tr").nth(2)
    names, place = shown_pieces(page), third.bounding_box()
    for number in range(3):
        site.judge(new_piece(f"new-{number}"))

    expect(page.get_by_role("link", name="3 new")).to_be_visible(timeout=30_000)
    assert third.bounding_box() == place
    assert shown_pieces(page) == names
    expect(page.locator("#new-status")).to_contain_text("New pieces are there")
    page.get_by_role("link", name="3 new").click()
    expect(page.locator("#pieces tbody th a").first).to_have_text("new-2")


def test_a_new_piece_that_the_filter_leaves_out_is_not_counted(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/pieces?decision=pass")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    with page.expect_response("**/pieces/new?*") as answered:
        site.judge(new_piece("left-out"))

    assert answered.value.json()["count"] == 0
    expect(page.locator("#new")).to_be_hidden()


def test_the_search_opens_a_piece_and_says_what_to_try_without_one(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/pieces")
    page.get_by_role("searchbox").fill("piece-0000012")
    page.keyboard.press("Enter")
    page.wait_for_url("**/piece-0000012/0")
    page.get_by_role("searchbox").fill("nothing")
    with page.expect_response("**/search?*"):
        page.keyboard.press("Enter")
    expect(page.get_by_text("What to try")).to_be_visible()


def test_the_page_of_a_piece_shows_picture_sound_and_score(page: Page, site: Site) -> None:
    page.goto(site.address + PIECE)

    expect(page.get_by_role("img", name="picture of top")).to_be_visible()
    expect(page.get_by_role("img", name="recording of mic")).to_be_visible()
    expect(page.get_by_role("img", name="defect score")).to_be_visible()
    page.get_by_label("Heat map").fill("80")


def test_a_finding_is_given_by_keyboard_and_stands_on_the_page(page: Page, site: Site) -> None:
    page.goto(site.address + PIECE)
    page.get_by_label("NOK", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("crack, <b>dent</b>")
    page.keyboard.press("Tab")
    page.keyboard.type("at the edge")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#feedback-said")).to_have_text("Stored.")
    expect(page.locator("#given li").last).to_contain_text("NOK crack, <b>dent</b>, local")
    assert list(stored_feedback(site.pages)[-1].defects) == ["crack", "<b>dent</b>"]


def test_a_finding_that_cannot_be_stored_is_said(page: Page, site: Site) -> None:
    page.goto(site.address + PIECE)
    page.route("**/feedback", lambda route: route.fulfill(status=503, json={"detail": "The log is away."}))
    page.get_by_label("OK", exact=True).first.check()
    page.get_by_role("button", name="Store the finding").click()

    expect(page.locator("#feedback-said")).to_have_text("The log is away.")


def test_every_chart_is_drawn_with_its_figures_as_a_table(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/charts?{RANGE}")

    for name in ("Yield", "Defect rate", "Classes", "Scores", "Latency", "mic at line-1 / drill"):
        figure = page.locator("figure", has=page.get_by_text(name, exact=True)).first
        expect(figure.locator("svg")).to_be_visible()
        figure.get_by_text("These figures as a table").click()
        expect(figure.get_by_role("table")).to_be_visible()


def test_a_mark_of_a_chart_is_reached_by_keys_and_opens_its_pieces(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/charts?{RANGE}")
    figure = page.locator("[data-chart=defects]")
    expect(figure.locator("a.stop").first).to_be_visible()
    assert figure.locator("a.stop[tabindex='0']").count() == 1
    figure.locator("a.stop[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(figure.locator(".chart-reading")).to_contain_text("failed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pieces?*")

    query = parse_qs(urlsplit(page.url).query)
    assert query["decision"] == ["fail"]
    assert query["since"] == ["2025-11-30T08:00:10Z"]
    assert shown_pieces(page)


def test_a_chart_opens_its_pieces_by_a_click(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/charts?{RANGE}")
    page.locator("[data-chart=classes] a.stop").first.click()
    page.wait_for_url("**/pieces?*")

    assert "class" in parse_qs(urlsplit(page.url).query)


def test_a_point_out_of_control_has_another_shape(page: Page, tmp_path: Path) -> None:
    with open_pages(tmp_path) as pages, served(pages) as site:
        pages.archive.fill(NUM_PIECES * 4)
        for number in range(60):
            verdict = verdict_of(7, entry_ns=START_NS + 250 * 10**9)
            verdict.inspection.piece_id = f"burst-{number}"
            pages.archive.put(verdict)
        page.goto(f"{site.address}/charts?{RANGE}")

        expect(page.locator("[data-chart=defects] path.flagged")).to_have_count(1)
        page.goto("about:blank")


def test_charts_of_a_time_without_pieces_say_where_the_last_ones_are(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/charts?since=2024-01-01T00:00Z&until=2024-01-01T08:00Z")

    expect(page.locator("[data-chart=yield]")).to_contain_text("No pieces in this time. The last one entered at")


def test_a_chart_that_cannot_be_counted_says_so_alone(page: Page, site: Site) -> None:
    page.route("**/charts/yield.json*", lambda route: route.fulfill(status=503, json={"error": "The archive is away."}))
    page.goto(f"{site.address}/charts?{RANGE}")

    expect(page.locator("[data-chart=yield]")).to_contain_text("The archive is away.")
    expect(page.locator("[data-chart=latency] svg")).to_be_visible()


def test_hostile_names_stay_text_on_every_page(context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    with open_pages(tmp_path) as pages, served(pages) as site:
        for name in (*HOSTILE, "a%2Fb%00"):
            verdict = detailed()
            verdict.inspection.piece_id, verdict.lot, verdict.product, verdict.recipe = name, name, name, name
            verdict.bundle, verdict.engine, verdict.route, verdict.classes[0].name = name, name, name, name
            verdict.modalities[0].name, verdict.experts[0].expert, verdict.modalities[1].detail = name, name, name
            pages.archive.put(verdict)
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        page.goto(f"{site.address}/charts?{RANGE}")
        expect(page.locator("[data-chart=classes] svg")).to_be_visible()
        for name in (*HOSTILE, "a%2Fb%00"):
            page.goto(site.address + piece_path(InspectionId("line-1", "drill", name, 0)))
            assert page.locator("h1 bdi").text_content() == name
        page.goto(f"{site.address}/pieces")
        assert set(shown_pieces(page)) == {*HOSTILE, "a%2Fb%00"}
        assert page.locator("img").count() == 0
        page.goto("about:blank")


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, site: Site, size: tuple[int, int], theme: str) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    for path in ("/pieces", "/pieces?lot=none", f"/charts?{RANGE}", PIECE, "/pieces/search?q=none"):
        page.goto(site.address + path)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        page.locator("figure svg, #pieces, h1").first.wait_for()
        assert serious_findings(page) == [], path
    context.close()


@pytest.mark.parametrize("path", ["/pieces", f"/charts?{RANGE}", PIECE])
def test_a_page_needs_at_most_300_kb_and_no_sideways_scrolling(browser: Browser, site: Site, path: str) -> None:
    context = browser.new_context(viewport={"width": NARROW[0], "height": NARROW[1]})
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())) if "/events" not in answer.url else None)
    page.goto(site.address + path)
    page.locator("figure svg, #pieces, h1").first.wait_for()
    page.wait_for_timeout(500)

    assert sum(sizes) <= 300_000
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    context.close()
