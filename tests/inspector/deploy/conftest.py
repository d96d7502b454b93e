"""Gives each test a line of its own and a stand-in for the process that checks bundles."""

from pathlib import Path

import pytest

from inspector.deploy import preparing
from tests.inspector.deploy.toys import Rig, StandInGate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> StandInGate:
    made = StandInGate()
    monkeypatch.setattr(preparing, "checked", made.checked)
    return made


@pytest.fixture
def rig(tmp_path: Path, gate: StandInGate) -> Rig:
    return Rig(tmp_path, gate)
