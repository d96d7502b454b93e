"""A browser for the pages of reports."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers.chromium import running_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with running_chromium() as started:
        yield started
