"""The Line page in a real browser, on a real line."""

from playwright.sync_api import Page, expect

from tests.inspector.web.running_line import RunningLine


def test_the_lamp_says_live_once_the_stream_is_open(page: Page, line: RunningLine) -> None:
    page.goto(line.address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
