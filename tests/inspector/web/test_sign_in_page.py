"""The sign-in page in a real browser: by keyboard alone, at both widths, and the message at the end of a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from inspector.access.roles import Role
from tests.inspector.web.accessibility import serious_findings
from tests.inspector.web.guarded import GuardedPage, guarded_page

pytestmark = pytest.mark.broker


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedPage]:
    with guarded_page(tmp_path) as running:
        yield running


def test_a_person_signs_in_by_keyboard_and_signs_out(page: Page, guarded: GuardedPage) -> None:
    page.goto(f"{guarded.address}/")
    expect(page).to_have_title("Sign in · inspector")
    page.keyboard.type(guarded.tokens[Role.VIEWER])
    page.keyboard.press("Enter")
    expect(page).to_have_title("Line · inspector")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    page.get_by_role("button", name="sign out").click()
    expect(page).to_have_title("Sign in · inspector")
    page.goto(f"{guarded.address}/")
    expect(page).to_have_title("Sign in · inspector")


@pytest.mark.parametrize("width", [1920, 390])
def test_the_sign_in_page_has_no_serious_findings(page: Page, guarded: GuardedPage, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{guarded.address}/sign-in")
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
