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
from tests.inspector.rollout.toys import Rig, look, version_of, word, worker

LIVE, STOPPED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_STOPPED


def test_a_service_that_follows_no_more_stops_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = rig.follower(stop := Event())
    monkeypatch.setattr(follower, "_settle", lambda: {}["nobody foresaw this"])
    with pytest.raises(KeyError):
        follower._run()
    assert stop.is_set()
    assert word(rig).phase == LIVE, "it is waited for: nobody stopped it"
    with pytest.raises(FollowerError, match="followed no more"):
        follower.stop()


def test_a_service_whose_log_is_lost_ends_with_the_reason(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = rig.follower(stop := Event())

    def poll(timeout_s: float) -> Sequence[Record]:
        raise LogLostError("log.db was deleted: put it back")

    monkeypatch.setattr(follower._control._tail, "poll", poll)
    follower._run()
    assert stop.is_set()
    with pytest.raises(FollowerError, match=r"log\.db was deleted: put it back"):
        follower.stop()


def test_a_service_that_was_stopped_has_nothing_to_say(rig: Rig) -> None:
    follower = rig.follower()
    follower.start()
    follower.stop()
    assert word(rig).phase == STOPPED
    told = {metric.name for metric in rig.registry.collect()}
    assert "inspector_deployments_read_timestamp_seconds" in told


def test_a_service_that_stops_gives_a_check_up(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        rig.gate.meanwhile = follower._stop.set
        assert version_of(look(follower)) == (0, "1")


def test_a_start_that_is_stopped_ends(rig: Rig) -> None:
    rig.deploy("a")
    stop = Event()
    rig.gate.meanwhile = stop.set
    with pytest.raises(PreparationCancelledError):
        rig.follower(stop)
    assert word(rig).phase == STOPPED


def test_a_start_after_a_stop_knows_what_has_judged(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
        follower._stop.set()
    assert (word(rig).phase, word(rig).live) == (STOPPED, 1)
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match="has judged here"):
        rig.follower()
