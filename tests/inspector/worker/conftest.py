"""Runs the main loop's tests in one thread and with the judge on another."""

from collections.abc import Iterator

import pytest

from tests.line import running


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of every worker that the test builds."""
    with running.on(request.param):
        yield request.param
