"""Recordings at their limit of bytes: said once for as long as it lasts."""

import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.archive.database import Database
from inspector.archive.recordings.metrics import RecordingMetrics
from inspector.archive.recordings.spells import Kept, LimitSpells
from inspector.archive.rows import PieceFilter
from inspector.recipe.keep import Keep
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS
from tests.inspector.archive.recordings.kept_line import archive_verdicts
from tests.inspector.archive.recordings.test_inputs import Judged
from tests.inspector.archive.recordings.test_keeper import kept_line

PASS, FAIL = Kept("disc", DECISION_PASS), Kept("disc", DECISION_FAIL)


def at_limit(registry: CollectorRegistry, decision: str) -> float | None:
    return registry.get_sample_value("inspector_recordings_at_limit", {"decision": decision})


def test_a_spell_is_said_at_its_beginning_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    spells = LimitSpells(RecordingMetrics(registry := CollectorRegistry()))
    for num_bytes in (980, 995, 1040, 1003, 996, 901, 1001):
        spells.note(PASS, num_bytes, 1000)
        spells.note(FAIL, 10, 1000)
        spells.close_round({PASS, FAIL})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Recordings of PASS of the recipe 'disc' have reached their limit of 1000 bytes" in caplog.text
    assert "raise pass_bytes" in caplog.text
    assert (at_limit(registry, "pass"), at_limit(registry, "fail")) == (1.0, 0.0)
    spells.note(PASS, 899, 1000)
    spells.close_round({PASS, FAIL})
    assert caplog.messages[-1].endswith("are below their limit of bytes again.")
    assert at_limit(registry, "pass") == 0.0


def test_a_spell_ends_when_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    spells = LimitSpells(RecordingMetrics(registry := CollectorRegistry()))
    spells.note(PASS, 1000, 0)
    spells.close_round({PASS})
    spells.close_round(())
    assert len(caplog.messages) == 2
    assert at_limit(registry, "pass") == 0.0


def test_retention_says_once_that_it_removes_recordings_before_their_time(
    tmp_path: Path, sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    judged = Judged(tmp_path / "judged", 12)
    archive_verdicts(judged.log, sqlite)
    line = kept_line(judged, sqlite, tmp_path)
    line.run()
    newest, *_ = sorted(line.archive.find(PieceFilter(decisions=[1]), limit=100), key=lambda row: -row.key)
    size = sum(kept.num_bytes for kept in line.archive.recordings(newest.key))
    line.keeps = {"disc": Keep(pieces="all", pass_bytes=size)}
    retention = line.retention()
    with caplog.at_level(logging.INFO):
        assert retention.apply() > 0
        for _ in range(3):
            assert retention.apply() == 0
    assert [message for message in caplog.messages if "limit" in message] == [
        f"Recordings of PASS of the recipe 'disc' have reached their limit of {size} bytes: the oldest are removed "
        "before their days are over. Keep fewer pieces, or raise pass_bytes in the recipe's table [keep]."
    ]
    assert line.value("at_limit", decision="pass") == 1.0
    line.close()
