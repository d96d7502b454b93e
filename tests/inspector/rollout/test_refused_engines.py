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
from tests.inspector.rollout.toys import Rig, close, look
from tests.standins.gpus import quantised

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
DEPLOYED, OWN = {("toy", "onnx/int8"): 1.0}, {("own", "onnx/int8"): 1.0}


class Worker:
    """Follows, and is read by Prometheus."""

    def __init__(self, rig: Rig) -> None:
        self.follower, self._registry = rig.follower(), CollectorRegistry()
        self._registry.register(RefusedEngines(self.follower.active_models))

    def refused(self) -> dict[tuple[str, str], float]:
        look(self.follower)
        (told,) = self._registry.collect()
        return {(sample.labels["bundle"], sample.labels["engine"]): sample.value for sample in told.samples}


@contextmanager
def worker(rig: Rig) -> Iterator[Worker]:
    made = Worker(rig)
    try:
        yield made
    finally:
        close(made.follower)


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
    with deployed(rig.service, Event(), registry := CollectorRegistry(), is_worker=False):
        told = registry.get_sample_value("inspector_engine_refused", {"bundle": "own", "engine": "onnx/int8"})
    assert told == 1


def test_where_all_may_judge_nothing_is_told(rig: Rig) -> None:
    with worker(rig) as started:
        assert started.refused() == {}


def test_it_is_told_of_what_judges_now_and_at_the_next_start(rig: Rig) -> None:
    unproven(rig.bundle("a"))
    with worker(rig) as started:
        assert started.refused() == {}
        rig.deploy("a")
        assert started.refused() == DEPLOYED
    with worker(rig) as again:
        assert again.refused() == DEPLOYED
        assert rig.gate.asked == ["a"], "the check is not run again"
        rig.deploy("b")
        assert again.refused() == {}


def test_a_roll_back_to_the_recipes_own_bundle_tells_of_that_again(rig: Rig) -> None:
    unproven(rig.folder / "own")
    with worker(rig) as started:
        rig.deploy("a")
        assert started.refused() == {}
        rig.orders().roll_back("")
        assert started.refused() == OWN


def test_what_is_on_trial_counts_too(rig: Rig) -> None:
    unproven(rig.bundle("a"))
    with worker(rig) as started:
        rig.deploy("a", SHADOW)
        assert started.refused() == DEPLOYED
