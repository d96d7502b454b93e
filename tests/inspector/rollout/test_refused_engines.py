"""A compiled form that is refused is told of as long as its bundle judges, however that came to judge."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from inspector.rollout.control.commands import DeployRequest
from inspector.rollout.metrics import RefusedEngines
from inspector.service.assembly import deployed
from protos.inspection.v1.control_pb2 import DeploymentMode
from tests.bundles import save_expert
from tests.inspector.rollout.toys import Rig
from tests.standins.gpus import quantised

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
DEPLOYED, OWN = {("toy", "onnx/int8"): 1.0}, {("own", "onnx/int8"): 1.0}


class ScrapedWorker:
    """A worker whose metrics are scraped."""

    def __init__(self, rig: Rig) -> None:
        self.worker, self._registry = rig.worker(), CollectorRegistry()
        self._registry.register(RefusedEngines(self.worker.installer.active_models))

    def refused(self) -> dict[tuple[str, str], float]:
        self.worker.look()
        (metric,) = self._registry.collect()
        return {(sample.labels["bundle"], sample.labels["engine"]): sample.value for sample in metric.samples}


@contextmanager
def worker(rig: Rig) -> Iterator[ScrapedWorker]:
    scraped = ScrapedWorker(rig)
    try:
        yield scraped
    finally:
        scraped.worker.installer.close(has_failed=False)


def unproven(folder: Path) -> None:
    """A form for INT8 in a bundle without a parity set."""
    quantised(folder)


def altered(folder: Path) -> None:
    """A file that is not the one that was compiled."""
    quantised(folder)
    save_expert(folder / "full.onnx.int8.onnx", 17)


@pytest.mark.parametrize("spoil", [unproven, altered])
def test_what_a_start_refuses_is_told_of(rig: Rig, spoil: Callable[[Path], None]) -> None:
    spoil(rig.folder / "own")
    with worker(rig) as started:
        assert started.refused() == OWN


def test_a_service_tells_of_it(rig: Rig) -> None:
    unproven(rig.folder / "own")
    with deployed(rig.service, Event(), registry := CollectorRegistry(), is_worker=True):
        value = registry.get_sample_value("inspector_engine_refused", {"bundle": "own", "engine": "onnx/int8"})
    assert value == 1


def test_a_gateway_tells_of_it_once_it_has_opened_its_models(rig: Rig) -> None:
    unproven(rig.folder / "own")
    labels = {"bundle": "own", "engine": "onnx/int8"}
    with deployed(rig.service, Event(), registry := CollectorRegistry(), is_worker=False) as models:
        assert registry.get_sample_value("inspector_engine_refused", labels) is None
        models.demand_models(30.0)
        assert registry.get_sample_value("inspector_engine_refused", labels) == 1


def test_where_all_may_judge_nothing_is_reported(rig: Rig) -> None:
    with worker(rig) as started:
        assert started.refused() == {}


def test_a_refused_engine_is_reported_of_the_live_bundle_and_again_at_the_next_start(rig: Rig) -> None:
    unproven(rig.bundle("a"))
    with worker(rig) as started:
        assert started.refused() == {}
        rig.deploy("a")
        assert started.refused() == DEPLOYED
    with worker(rig) as again:
        assert again.refused() == DEPLOYED
        assert rig.gate.checked_versions == ["a"], "the check is not run again"
        rig.deploy("b")
        assert again.refused() == {}


def test_a_roll_back_to_the_recipes_own_bundle_tells_of_that_again(rig: Rig) -> None:
    unproven(rig.folder / "own")
    with worker(rig) as started:
        rig.deploy("a")
        assert started.refused() == {}
        rig.commands().roll_back("")
        assert started.refused() == OWN


def test_what_is_on_trial_counts_too(rig: Rig) -> None:
    unproven(rig.bundle("a"))
    with worker(rig) as started:
        rig.deploy("a", SHADOW)
        assert started.refused() == DEPLOYED
