"""The long proofs in small: a backlog as `backlog_soak` makes it, and the limit that `memory_run` rests on."""

import sys
from pathlib import Path

import pytest

from tests.integration.backlog_soak import SoakPlan, soak
from tests.integration.memory_limit import memory_limit


@pytest.mark.broker
@pytest.mark.timeout(180)
def test_a_backlog_on_four_partitions_is_judged_although_the_worker_is_killed(bootstrap: str, tmp_path: Path) -> None:
    plan = SoakPlan(backlog_s=40.0, partitions=4, workers=1, kills=1, settled_s=1.0)
    row = soak(plan, tmp_path, bootstrap)
    assert (row.kills, row.counted.counted, row.counted.doubled) == (1, "400 of 400", ())
    assert row.counted.is_exact


def test_a_process_that_takes_more_than_its_limit_is_killed(tmp_path: Path) -> None:
    with memory_limit(64 * 2**20) as limit:
        process = limit.start([sys.executable, "-c", "bytearray(2**28).replace(b'a', b'b')"], tmp_path / "log")
        assert process.wait(60) == -9
