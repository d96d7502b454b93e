"""Shares the tests between the processes of `make test`.

Tests that talk to live parts (brokers, gateways, services) stay together in one process: they share these parts, and
wait more than they compute. Of all others each file stays together, for its fixtures.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIVE = ("integration/", "inspector/gateway/", "inspector/cli/", "inspector/deploy/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group("live" if file.startswith(LIVE) else file))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The command line sets up logging for its whole process; no other test may see that."""
    root, names = logging.getLogger(), ("kafka", "onnx_ir", "onnxscript")
    level, handlers = root.level, list(root.handlers)
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
