"""Marks of folders, and fixtures that all tests share. `make test` keeps each file in one process, for its fixtures."""

import gc
import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.order import places
from tests.scratch import folder_on_disk, write_to_memory
from tests.servers import programs

pytest_plugins = ["tests.servers.fixtures"]
TESTS = Path(__file__).parent
SLOW = (
    "integration/",
    "benchmarks/",
    "docs/",
    "servers/",
    "inspector/compile/",
    "inspector/cli/",
    "inspector/demo/",
    "inspector/rollout/",
)
"""Folders whose tests start processes or compile graphs; `make fast` leaves them out."""

SLOW_FIXTURES = {"line"}
"""Running lines."""
SERVER_FIXTURES = {"bootstrap", "browser", "mosquitto", "postgres", "postgres_url", "s3"}
"""Servers of others' making: their tests have the mark `broker`."""
WHOLE_FILE = re.compile(r"^pytestmark = .*mark\.(broker|train)", re.MULTILINE)
"""The first mark that a file gives to all of its tests."""


LEAST_FREE_BYTES = 2**30
"""Of disk: servers and streams of the tests write a few hundred MB."""


def pytest_configure() -> None:
    """Says at once that the disk is full: later, servers refuse to write and tests fail for other reasons."""
    gc.disable()  # until all tests are collected: they stay
    write_to_memory()
    folder = tempfile.gettempdir()
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < LEAST_FREE_BYTES:
        pytest.exit(
            f"{folder}: {free_bytes / 1e9:.1f} GB are free on its disk, the tests need {LEAST_FREE_BYTES / 1e9:.1f}: "
            "free some, or name another disk by TMPDIR",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of which `-m "not train"` deselects every test are not imported: torch alone takes seconds to import."""
    if collection_path.suffix != ".py":
        return None
    mark = WHOLE_FILE.search(collection_path.read_text())
    unwanted = config.getoption("markexpr", "").split(" and ")
    return True if mark and f"not {mark[1]}" in unwanted else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files = {path: path.relative_to(TESTS).as_posix() for path in dict.fromkeys(item.path for item in items)}
    order = places(files.values())
    items.sort(key=lambda item: order[files[item.path]])
    for item in items:
        file, fixtures = files[item.path], getattr(item, "fixturenames", ())
        if file.startswith(SLOW) or not SLOW_FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.slow)
        if not SERVER_FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.broker)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that starts PostgreSQL, a browser or the like without the mark `broker` fails."""
    programs.may_start = item.get_closest_marker("broker") is not None


def pytest_collection_finish() -> None:
    """Opening a model collects garbage: with all tests in memory that takes 0.1 s, a thousand times in a run."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None, item: pytest.Item) -> Iterator[None]:
    """What a file leaves behind, such as imported modules, stays as well: after hundreds of files it is as much."""
    yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """For tests that kill a process in the middle of a commit: in memory, commits take no time."""
    with folder_on_disk() as folder:
        yield folder


@pytest.fixture(autouse=True)
def default_logging() -> Iterator[None]:
    """The command line sets up logging for its whole process, also from a module's fixture: no test may notice."""
    _reset_logging()
    yield
    _reset_logging()


@pytest.fixture(autouse=True)
def only_this_tests_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps messages of Kafka clients of earlier tests out of `caplog`: their threads wait for a stopped broker."""
    if "caplog" not in request.fixturenames:
        yield
        return
    earlier = {thread.ident for thread in threading.enumerate() if thread is not threading.current_thread()}

    def is_of_this_test(record: logging.LogRecord) -> bool:
        return not (record.name.partition(".")[0] == "kafka" and record.thread in earlier)

    handler = request.getfixturevalue("caplog").handler
    handler.addFilter(is_of_this_test)
    yield
    handler.removeFilter(is_of_this_test)


@pytest.fixture(autouse=True)
def kafka_clients_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads of closed Kafka clients end a moment later; they must not disturb the tests that follow."""
    yield
    if request.node.get_closest_marker("broker"):
        for thread in threading.enumerate():
            if thread.name.endswith("network-thread"):
                thread.join(2.0)


def _reset_logging() -> None:
    """Root at WARNING without handlers of ours; the subclasses of StreamHandler that pytest adds stay. Sets only what
    differs: each setting empties a cache of every logger."""
    root = logging.getLogger()
    if root.manager.disable != logging.NOTSET:
        logging.disable(logging.NOTSET)
    for handler in [handler for handler in root.handlers if type(handler) is logging.StreamHandler]:
        root.removeHandler(handler)
    levels = {"": logging.WARNING, "kafka": logging.NOTSET, "onnx_ir": logging.NOTSET, "onnxscript": logging.NOTSET}
    for name, level in levels.items():
        if (logger := logging.getLogger(name)).level != level:
            logger.setLevel(level)
