"""Gives each test a line of its own and a stand-in for the process that checks bundles."""

from pathlib import Path

import pytest

from inspector.rollout import prepare
from tests.inspector.rollout.toys import Rig, StandInGate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> StandInGate:
    gate = StandInGate()
    monkeypatch.setattr(prepare, "checked", gate.checked)
    return gate


@pytest.fixture
def rig(tmp_path: Path, gate: StandInGate) -> Rig:
    return Rig(tmp_path, gate)
