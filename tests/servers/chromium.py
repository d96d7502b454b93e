"""Debian's chromium, driven by Playwright, which is imported where a browser starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.programs import required

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def running_chromium() -> Iterator["Browser"]:
    """A headless browser without its own sandbox where root runs it, which chromium demands."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(required("chromium")), args=arguments)
        yield browser
        browser.close()
