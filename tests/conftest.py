"""Shares the tests between the processes of `make test`.

Tests that talk to live parts (brokers, gateways, services) stay together in one process: they share these parts, and
wait more than they compute. Of all others each file stays together, for its fixtures.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIVE = ("integration/", "inspector/gateway/", "inspector/cli/", "inspector/deploy/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group("live" if file.startswith(LIVE) else file))
