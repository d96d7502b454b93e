"""The imports of a command collect no garbage, and a process that runs already keeps its garbage collectable."""

import gc
import json
import subprocess
import sys

import pytest

from inspector.cli.imports import import_to_stay

PROGRAM = """
import gc, json
from inspector.cli.imports import import_to_stay
collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
module = import_to_stay("inspector.config.service")
gc.callbacks.clear()
print(json.dumps([module.__name__, collections, gc.isenabled(), gc.get_freeze_count() > 50_000]))
"""


def test_the_first_imports_of_a_process_collect_nothing_and_stay() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["inspector.config.service", [], True, True]


def test_a_failed_import_leaves_the_collector_on() -> None:
    program = (
        "import gc\nfrom inspector.cli.imports import import_to_stay\n"
        "try: import_to_stay('inspector.nothing')\n"
        "except ModuleNotFoundError as exc: print(exc.name, gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["inspector.nothing", "True"]


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_process_that_has_frozen_objects_freezes_no_more(is_enabled: bool, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(gc.enable)
    gc.freeze()
    if not is_enabled:
        gc.disable()
    before = gc.get_freeze_count()
    assert import_to_stay("inspector.cli.imports").__name__ == "inspector.cli.imports"
    assert (gc.get_freeze_count() <= before, gc.isenabled()) == (True, is_enabled)


def test_frozen_objects_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each count visits all of them."""
    import_to_stay("inspector.cli.imports")
    counts: list[None] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: counts.append(None))
    import_to_stay("inspector.cli.imports")
    assert counts == []
