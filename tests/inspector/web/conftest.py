"""A running line and a browser for tests of pages. Modules of browser tests hold no async test: Playwright's own event
loop occupies their thread."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.inspector.web.piece_parts import Pages, open_pages
from tests.inspector.web.running_line import RunningLine, running_line
from tests.servers.chromium import running_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDE, NARROW = (1920, 1080), (390, 844)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    """Shared by the tests of a file, with some pieces judged. A test that stops a part starts it again. It ends with
    the file: over a run of all tests, an idle line costs more than the starts that it saves."""
    with running_line(tmp_path_factory.mktemp("line")) as running:
        running.publish(36)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    with running_chromium() as started:
        yield started


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    """A fresh profile at 1,920 px."""
    width, height = WIDE
    profile = browser.new_context(viewport={"width": width, "height": height})
    profile.set_default_timeout(30_000)
    yield profile
    profile.close()


@pytest.fixture
def page(context: "BrowserContext") -> Iterator["Page"]:
    """A tab in which no script may fail and no policy may be broken."""
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    opened.close()
    assert not [text for text in errors if not text.startswith("Failed to load resource")], errors


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    """An app on an empty archive, without a browser."""
    with open_pages(tmp_path) as pages:
        yield pages


@pytest.fixture
def client(pages: Pages) -> Iterator[TestClient]:
    with TestClient(pages.app) as client:
        yield client
