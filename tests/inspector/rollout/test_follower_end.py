"""A worker that stops, or whose log or follower fails, says so and ends."""

import shutil
from collections.abc import Sequence
from threading import Event

import pytest

from inspector.bundle.load import BundleError
from inspector.rollout.follower import FollowerError
from inspector.rollout.run_check import PreparationCancelledError
from protos.inspection.v1.control_pb2 import WorkerPhase
from streams.log import LogLostError
from streams.records import Record
from tests.inspector.rollout.toys import Rig, last_report, running, version_of

LIVE, STOPPED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_STOPPED


def test_a_service_that_no_longer_follows_stops_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("an unforeseen error")

    worker = rig.worker(stop := Event())
    monkeypatch.setattr(worker.installer, "free_replaced", fail)
    with pytest.raises(KeyError):
        worker.follower.run()
    assert stop.is_set()
    assert last_report(rig).phase == LIVE, "it is waited for: nobody stopped it"
    with pytest.raises(FollowerError, match="following deployments failed"):
        worker.follower.stop()


def test_a_service_whose_log_is_lost_ends_with_the_reason(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = rig.worker(stop := Event())

    def poll(timeout_s: float) -> Sequence[Record]:
        raise LogLostError("log.db was deleted: put it back")

    monkeypatch.setattr(worker.installer.control._tail, "poll", poll)
    worker.follower.run()
    assert stop.is_set()
    with pytest.raises(FollowerError, match=r"log\.db was deleted: put it back"):
        worker.follower.stop()


def test_a_service_that_was_stopped_has_nothing_to_say(rig: Rig) -> None:
    worker = rig.worker()
    worker.follower.start()
    worker.follower.stop()
    assert last_report(rig).phase == STOPPED
    metrics = {metric.name for metric in rig.registry.collect()}
    assert "inspector_deployments_read_timestamp_seconds" in metrics


def test_a_service_that_stops_gives_a_check_up(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        rig.gate.meanwhile = worker.installer.stop.set
        assert version_of(worker.look()) == (0, "1")


def test_a_start_that_is_stopped_ends(rig: Rig) -> None:
    rig.deploy("a")
    stop = Event()
    rig.gate.meanwhile = stop.set
    with pytest.raises(PreparationCancelledError):
        rig.worker(stop)
    assert last_report(rig).phase == STOPPED


def test_a_start_after_a_stop_knows_what_has_judged(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
        worker.installer.stop.set()
    assert (last_report(rig).phase, last_report(rig).live) == (STOPPED, 1)
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match="has judged here"):
        rig.worker()
