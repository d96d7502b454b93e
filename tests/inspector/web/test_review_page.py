"""The Review page in a real browser, by keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.inspector.review.test_desk import published
from tests.inspector.web.accessibility import serious_findings
from tests.inspector.web.conftest import NARROW
from tests.inspector.web.review_parts import ReviewPages, review_pages, served

pytestmark = pytest.mark.broker


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReviewPages]:
    with review_pages(tmp_path, num_pieces=6) as pages, served(pages) as running:
        yield running


def opened(page: Page, desk: ReviewPages) -> None:
    page.goto(f"{desk.address}/review")
    expect(page.locator("#piece canvas").first).to_be_visible()


def token(page: Page) -> str:
    return page.locator("#piece [data-token]").get_attribute("data-token") or ""


def pressed(page: Page, key: str) -> None:
    """Presses a key and waits for the next piece, or for none."""
    before = token(page)
    page.keyboard.press(key)
    expect(page.locator(f'#piece [data-token="{before}"]')).to_have_count(0)


def stored(page: Page) -> None:
    """Waits until the server has all answers."""
    expect(page.locator("#answers")).to_have_attribute("data-sending", "0")


def loaded(page: Page) -> None:
    """Waits until all pieces that the page holds are loaded."""
    expect(page.locator("#answers")).to_have_attribute("data-ready", "3")


def test_every_piece_is_answered_by_one_key(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    for key in ("o", "n", "2", "d", "O", "1"):
        pressed(page, key)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#progress")).to_contain_text("2 OK, 3 NOK, 1 don't know")
    answers = published(desk.desk)
    assert [(name, int(label)) for name, label, _ in answers] == [
        ("p0", 1), ("p1", 2), ("p2", 2), ("p3", 3), ("p4", 1), ("p5", 2),
    ]  # fmt: skip


def test_a_number_is_nok_with_that_class(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    expect(page.locator("#classes button").nth(1)).to_have_text("dent2")
    pressed(page, "2")
    stored(page)
    (row,) = desk.desk.answers()
    assert row == ("p0", 2, '["dent"]')


def test_undo_brings_the_last_piece_back(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    first = token(page)
    pressed(page, "n")
    page.keyboard.press("u")
    expect(page.locator("#piece [data-token]")).to_have_attribute("data-token", first)
    pressed(page, "o")
    stored(page)
    assert desk.desk.answers() == [("p0", 1, "[]")]


def test_a_held_key_answers_one_piece_only(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    page.keyboard.down("o")
    for _ in range(5):
        page.keyboard.down("o")
    page.keyboard.up("o")
    stored(page)
    assert len(desk.desk.answers()) == 1


def test_keys_can_be_turned_off(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    page.locator("#keys").uncheck()
    page.keyboard.press("o")
    page.get_by_role("button", name="Don't know").click()
    stored(page)
    assert [label for _, label, _ in desk.desk.answers()] == [3]


def test_the_next_piece_is_there_before_it_is_asked_for(page: Page, desk: ReviewPages) -> None:
    """Its picture and sound were fetched while the first one was looked at: nothing is fetched to show it."""
    opened(page, desk)
    loaded(page)
    page.route("**/review/**", lambda route: route.abort())
    pressed(page, "o")
    expect(page.locator("#piece canvas").first).to_be_visible()
    expect(page.locator("#piece .pending")).to_have_count(0)
    expect(page.locator("#piece .absent:visible")).to_have_count(0)


def test_answers_are_kept_while_the_server_is_away_and_sent_in_order(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    loaded(page)
    is_away = True

    def gate(route: Route) -> None:
        if is_away:
            route.abort()
        else:
            route.continue_()

    page.route("**/review/answer", gate)
    pressed(page, "o")
    pressed(page, "n")
    expect(page.locator("#problem")).to_contain_text("2 answers are not stored yet")
    assert desk.desk.answers() == []
    is_away = False
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#progress")).to_contain_text("1 OK, 1 NOK")
    assert [label for _, label, _ in desk.desk.answers()] == [1, 2]


def test_a_piece_that_went_to_somebody_else_is_said_and_left(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    desk.desk.clock.advance(10_000)
    desk.desk.desk.hold("ada", 1)
    pressed(page, "o")
    expect(page.locator("#problem")).to_contain_text("went to somebody else")
    pressed(page, "o")
    expect(page.locator("#problem")).to_be_hidden()


def test_new_pieces_appear_by_themselves(page: Page, desk: ReviewPages) -> None:
    opened(page, desk)
    for _ in range(6):
        pressed(page, "o")
    expect(page.locator("#empty")).to_be_visible()
    stored(page)
    assert desk.desk.desk.undo("local")
    expect(page.locator("#piece [data-token]")).to_have_count(1, timeout=60_000)


@pytest.mark.parametrize("size", [(1920, 1080), NARROW])
def test_the_page_is_accessible_and_fits(page: Page, desk: ReviewPages, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    opened(page, desk)
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    expect(page.get_by_role("button", name="Undo")).to_be_in_viewport()


def test_the_page_says_what_lacks_where_no_recordings_are_kept(page: Page, desk: ReviewPages) -> None:
    object.__setattr__(desk.page, "review", None)
    page.goto(f"{desk.address}/review")
    expect(page.locator("main")).to_contain_text("needs the archive and kept recordings")
