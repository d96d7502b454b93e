"""The chart modules by themselves, in a real browser: scales, words, and what a chart gives to a reader."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.inspector.web.piece_parts import HOSTILE, open_pages
from tests.inspector.web.test_pieces_browser import Site, served

pytestmark = pytest.mark.broker

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
AT_MS = 1_764_489_600_000
"""2025-11-30 08:00 UTC, 13:30 in Kolkata."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_pages(tmp_path_factory.mktemp("pages")) as pages, served(pages) as site:
        yield site


@pytest.fixture(scope="module")
def module_page(browser: Browser, site: Site) -> Iterator[Page]:
    """A page of the site with its styles, in a zone that is off by half an hour."""
    context = browser.new_context(timezone_id="Asia/Kolkata", viewport={"width": 800, "height": 600})
    page = context.new_page()
    page.goto(f"{site.address}/charts?since=2025-11-30T08:00Z&until=2025-11-30T09:00Z")
    yield page
    context.close()


def call(page: Page, module: str, function: str, *arguments: object) -> object:
    return page.evaluate(
        f"async (given) => (await import('/static/charts/{module}.js')).{function}(...given)", list(arguments)
    )


@pytest.mark.parametrize(
    ("high", "expected"),
    [(1, [0, 0.25, 0.5, 0.75, 1]), (0.06, [0, 0.02, 0.04, 0.06]), (7, [0, 2, 4, 6, 8]), (0, [0, 1]), (-3, [0, 1]),
     (4000, [0, 1000, 2000, 3000, 4000]), (1e-9, [0, 2.5e-10, 5e-10, 7.5e-10, 1e-9])],
)  # fmt: skip
def test_an_axis_has_round_figures_up_to_the_highest(module_page: Page, high: float, expected: list[float]) -> None:
    assert call(module_page, "scale", "ticks", high) == pytest.approx(expected)


@pytest.mark.parametrize("high", [0.013, 1.01, 99, 12_345, 1e12])
def test_an_axis_reaches_its_highest_figure_in_few_steps(module_page: Page, high: float) -> None:
    ticks = call(module_page, "scale", "ticks", high)

    assert isinstance(ticks, list)
    assert ticks[-1] >= high
    assert 3 <= len(ticks) <= 6


@pytest.mark.parametrize(("span_ms", "count"), [(MINUTE_MS, 6), (8 * HOUR_MS, 5), (30 * DAY_MS, 6), (366 * DAY_MS, 4)])
def test_moments_of_an_axis_are_round_here_and_few(module_page: Page, span_ms: int, count: int) -> None:
    ticks = call(module_page, "scale", "timeTicks", AT_MS, AT_MS + span_ms, count)

    assert isinstance(ticks, list)
    assert 1 <= len(ticks) <= count + 1
    assert all(AT_MS <= at <= AT_MS + span_ms for at in ticks)
    if span_ms > MINUTE_MS:
        assert all((at + 5.5 * HOUR_MS) % HOUR_MS == 0 for at in ticks)


@pytest.mark.parametrize(
    ("span_ms", "words"),
    [(MINUTE_MS, "13:30:00"), (HOUR_MS, "13:30"), (2 * DAY_MS, "30 Nov 13:30"), (9 * DAY_MS, "30 Nov")],
)
def test_a_moment_is_as_short_as_its_axis_allows(module_page: Page, span_ms: int, words: str) -> None:
    assert call(module_page, "scale", "clock", AT_MS, span_ms) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(0.0125, "share", "1.25 %"), (1, "share", "100 %"), (12.44, "ms", "12.4 ms"), (1250, "count", "1,250"),
     (0.00021, None, "0.0002"), (None, "ms", "no figure")],
)  # fmt: skip
def test_figures_are_written_so_that_they_can_be_compared(module_page: Page, value, unit, words: str) -> None:
    assert call(module_page, "scale", "words", value, unit) == words


def draw(page: Page, module: str, function: str, spec: dict) -> None:
    page.evaluate(
        f"""async (spec) => {{
            const figure = document.createElement("figure");
            document.getElementById("main").replaceChildren(figure);
            (await import('/static/charts/{module}.js')).{function}(figure, spec);
        }}""",
        spec,
    )


def trend(values: list[float | None], **more: object) -> dict:
    points = [
        {"at_ms": AT_MS + number * MINUTE_MS, "value": value, "text": f"value {value}", "href": f"/pieces?n={number}"}
        for number, value in enumerate(values)
    ]
    return {
        "title": "Trend",
        "summary": "In words.",
        "unit": "ms",
        "from_ms": AT_MS,
        "to_ms": AT_MS + len(values) * MINUTE_MS,
        "series": [{"name": "one", "points": points}],
        **more,
    }


def test_a_gap_in_the_figures_is_a_gap_in_the_line(module_page: Page) -> None:
    draw(module_page, "trend", "drawTrend", trend([1, 2, None, 3, 4, 5]))

    assert module_page.locator("path.line").count() == 2
    assert module_page.locator("a.stop").count() == 5
    assert "no figure" in (module_page.locator("figure table").text_content() or "")


def test_a_chart_without_any_figure_draws_its_axes_alone(module_page: Page) -> None:
    draw(module_page, "trend", "drawTrend", trend([None, None]))

    assert module_page.locator("a.stop").count() == 0
    expect(module_page.locator("figure svg")).to_have_attribute("role", "img")


def test_a_reader_hears_title_summary_and_every_mark(module_page: Page) -> None:
    draw(module_page, "trend", "drawTrend", trend([1, 2]))

    expect(module_page.get_by_role("group", name="Trend")).to_be_visible()
    expect(module_page.get_by_role("link", name="13:31:00: value 2")).to_be_visible()


def test_marks_are_one_stop_of_the_tab_key_and_wrap_nowhere(module_page: Page) -> None:
    draw(module_page, "trend", "drawTrend", trend([1, 2, 3]))
    module_page.locator("a.stop").first.focus()
    focused = "document.activeElement.getAttribute('href')"

    for key, place in (("ArrowLeft", 0), ("End", 2), ("ArrowRight", 2), ("ArrowUp", 1), ("Home", 0), ("PageDown", 2)):
        module_page.keyboard.press(key)
        assert module_page.evaluate(focused) == f"/pieces?n={place}"
    assert module_page.locator("a.stop[tabindex='0']").count() == 1


def test_a_chart_follows_its_width(module_page: Page) -> None:
    draw(module_page, "trend", "drawTrend", trend([1, 2, 3]))
    before = module_page.locator("figure svg").get_attribute("width")
    module_page.set_viewport_size({"width": 500, "height": 600})

    expect(module_page.locator("figure svg")).not_to_have_attribute("width", before or "")
    module_page.set_viewport_size({"width": 800, "height": 600})


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_bars_are_text(module_page: Page, name: str) -> None:
    bar = {"name": name, "count": 3, "share": 1, "running": 1, "text": f"{name}: 3 pieces", "href": "/pieces"}
    draw(module_page, "pareto", "drawPareto", {"title": name, "summary": name, "bars": [bar]})

    assert module_page.locator("figure img").count() == 0
    assert name in (module_page.locator("figure table").text_content() or "")


def test_shares_fill_the_whole_height(module_page: Page) -> None:
    row = {"at_ms": AT_MS, "shares": [0.5, 0.3, 0.2], "text": "half", "href": "/pieces"}
    spec = {"title": "Shares", "summary": "", "from_ms": AT_MS, "to_ms": AT_MS + MINUTE_MS, "step_ms": MINUTE_MS,
            "parts": ["a", "b", "c"], "rows": [row]}  # fmt: skip
    draw(module_page, "shares", "drawShares", spec)
    heights = module_page.locator("a.stop rect.part").evaluate_all(
        "all => all.map((each) => +each.getAttribute('height'))"
    )

    assert [height / sum(heights) for height in heights] == pytest.approx([0.5, 0.3, 0.2])


def test_a_sparkline_is_read_out_and_has_gaps(module_page: Page) -> None:
    path, label = module_page.evaluate(
        """async () => {
            const picture = (await import('/static/charts/sparkline.js')).sparkline([1, 2, null, 3], "rising");
            return [picture.querySelector("path").getAttribute("d"), picture.querySelector("title").textContent];
        }"""
    )

    assert path.count("M") == 2
    assert label == "rising"


def test_a_chart_is_drawn_again_with_newer_figures_and_keeps_its_opened_table(page: Page, tmp_path: Path) -> None:
    figures = [trend([1, 2]), trend([1, 2, 3])]
    answers = iter([{"charts": [{"kind": "trend", "is_empty": False, **each}], "newest_ms": None, "num_waiting": 7000}
                    for each in figures])  # fmt: skip
    with open_pages(tmp_path) as pages, served(pages) as site:
        page.clock.install()
        page.route("**/charts/yield.json*", lambda route: route.fulfill(body=json.dumps(next(answers)),
                                                                        content_type="application/json"))  # fmt: skip
        page.goto(f"{site.address}/charts")
        panel = page.locator("[data-chart=yield]")
        expect(panel.locator("a.stop")).to_have_count(2)
        expect(panel).to_contain_text("7,000 stored verdicts are not counted yet")
        panel.get_by_text("These figures as a table").click()
        page.clock.fast_forward(31_000)

        expect(panel.locator("a.stop")).to_have_count(3)
        expect(panel.get_by_role("table")).to_be_visible()
        page.goto("about:blank")
