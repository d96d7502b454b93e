"""The fault run in its smaller form: what `python -m tests.integration.fault_run` does with ten faults and more."""

from pathlib import Path

import pytest

from tests.integration.fault_run import SHORT, Options, run


@pytest.mark.broker
@pytest.mark.timeout(400)
@pytest.mark.parametrize("log", ["kafka", "embedded"])
def test_every_inspection_has_exactly_one_verdict_whatever_dies(log: str, tmp_path: Path) -> None:
    report = run(Options(log, pieces=160, rate=8.0, folder=tmp_path, plans=SHORT))
    assert (report["doubled"], report["missing"]) == (0, 0)
    assert report["differing"] == []
    assert len(report["gaps"]) == report["faults"] >= (4 if log == "kafka" else 2)
    if log == "kafka":
        assert report["aborted_transactions"] >= 1
