"""Debian's chromium, driven by Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.servers.programs import required


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless browser without its own sandbox where root runs it, which chromium demands."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(required("chromium")), args=arguments)
        yield browser
        browser.close()
