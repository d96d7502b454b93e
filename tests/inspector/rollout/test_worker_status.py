"""A worker's reports show that it is running."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import ControlTable, read_control
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.shadow import Comparison
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.control_pb2 import Deployment, WorkerPhase
from tests.inspector.rollout.toys import Rig

L1, L2 = DeploymentTarget("l1", "cup"), DeploymentTarget("l2", "cup")


@pytest.fixture
def reports(rig: Rig) -> Iterator[Reports]:
    comparison = Comparison(DeployMetrics(CollectorRegistry(), [L1, L2]))
    with closing(Reports(rig.log, "inspection", "w1", comparison)) as reports:
        yield reports


def test_a_report_on_one_line_is_a_heartbeat_on_all(
    rig: Rig, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = WorkerPhase.WORKER_PHASE_LIVE
    with monkeypatch.context() as yesterday:
        yesterday.setattr("streams.embedded.store.time.time_ns", lambda: 1_000_000_000)
        for place in (L1, L2):
            reports.report(place, Deployment(), live, "", None)
    reports.report(L1, Deployment(number=1), live, "", None)
    read_control(rig.log, table := ControlTable("inspection", ("l1", "l2"))).close()
    (one,), (other,) = table.statuses(L1).values(), table.statuses(L2).values()
    assert (one.state.deployment, other.state.deployment) == (1, 0)
    assert other.append_ns > 1_000_000_000
