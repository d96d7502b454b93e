"""`inspector deploy` waits for all running workers, and ends at the first refusal."""

import time
from contextlib import closing

import pytest

from inspector.bundle.load import load
from inspector.rollout.control.commands import Change, DeployError, DeployRequest
from inspector.rollout.control.records import read_control
from inspector.rollout.control.wait import REPORTED_S, RefusedByError, await_workers
from protos.inspection.v1.control_pb2 import Deployment, WorkerPhase, WorkerState
from tests.inspector.rollout.toys import CUP, Rig
from tests.inspector.rollout.toys import report as publish

LOADING, CHECKING, READY = (
    WorkerPhase.WORKER_PHASE_LOADING,
    WorkerPhase.WORKER_PHASE_CHECKING,
    WorkerPhase.WORKER_PHASE_READY,
)
LIVE, REFUSED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_REFUSED


def say(rig: Rig, worker: str, deployment: int, phase: WorkerPhase, detail: str = "") -> None:
    rig.commands()  # reads the control topics
    digest = rig.table.deployments.get(("l1", deployment), Deployment()).digest
    words = WorkerState(worker=worker, recipe="cup", deployment=deployment, digest=digest, phase=phase, detail=detail)
    publish(rig, words)


def wait(rig: Rig, changes: list[Change], messages: list[str] | None = None) -> int:
    with closing(read_control(rig.log, rig.table)) as tail:
        return await_workers(rig.table, tail, changes, 0.0, ([] if messages is None else messages).append)


def test_all_that_live_must_follow(rig: Rig) -> None:
    changes, messages = rig.deploy("a"), list[str]()
    say(rig, "w1", 1, LIVE, "fits")
    say(rig, "w2", 1, CHECKING)
    with pytest.raises(DeployError, match=r"after 0 s w2 did not follow; the deployment stays active"):
        wait(rig, changes, messages)
    assert messages == ["l1 w1: running: fits", "l1 w2: checking"]
    say(rig, "w2", 1, LIVE)
    assert wait(rig, changes) == 2


def test_the_first_refusal_ends_the_wait(rig: Rig) -> None:
    changes = rig.deploy("a")
    say(rig, "w1", 1, REFUSED, "decides otherwise")
    say(rig, "w2", 1, CHECKING)
    with pytest.raises(RefusedByError, match="w1 refuses deployment 1: decides otherwise"):
        wait(rig, changes)


def test_a_worker_of_yesterday_is_not_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as yesterday:
        yesterday.setattr("streams.embedded.store.time.time_ns", lambda: 1_000_000_000)
        say(rig, "w1", 0, LIVE)
    changes = rig.deploy("a")
    assert wait(rig, changes) == 0
    say(rig, "w2", 1, LIVE)
    assert wait(rig, changes) == 1


def test_a_worker_that_was_stopped_is_not_waited_for(rig: Rig) -> None:
    say(rig, "w1", 0, WorkerPhase.WORKER_PHASE_STOPPED)
    changes = rig.deploy("a")
    say(rig, "w2", 1, LIVE)
    assert wait(rig, changes) == 1


@pytest.mark.parametrize("phase", [LOADING, CHECKING, READY])
def test_a_process_that_opens_a_large_bundle_is_silent_for_long_and_is_waited_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, phase: WorkerPhase
) -> None:
    changes = rig.deploy("a")
    long_ago_ns = time.time_ns() - int(2e9 * REPORTED_S)
    with monkeypatch.context() as then:
        then.setattr("streams.embedded.store.time.time_ns", lambda: long_ago_ns)
        say(rig, "w1", 1, phase)
    say(rig, "w2", 1, LIVE)
    with pytest.raises(DeployError, match="w1 did not follow"):
        wait(rig, changes)


def test_a_clock_that_is_set_back_hides_no_refusal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = rig.deploy("a")
    an_hour_ago_ns = time.time_ns() - int(3600e9)
    monkeypatch.setattr("streams.embedded.store.time.time_ns", lambda: an_hour_ago_ns)
    say(rig, "w1", 1, REFUSED, "decides otherwise")
    with pytest.raises(RefusedByError, match="decides otherwise"):
        wait(rig, changes)


def test_what_was_said_of_an_earlier_deployment_does_not_count(rig: Rig) -> None:
    rig.deploy("a")
    say(rig, "w1", 1, REFUSED, "of the first")
    changes = rig.deploy("b")
    with pytest.raises(DeployError, match="w1 did not follow"):
        wait(rig, changes)


def test_two_people_at_once_are_told_of_each_other(rig: Rig) -> None:
    changes = rig.deploy("a")
    rig.deploy("b")
    with pytest.raises(DeployError, match=r"deployment 2 by .* replaced deployment 1"):
        wait(rig, changes)


def test_of_two_that_took_the_same_number_the_earlier_is_told_and_the_later_takes_no_word_on_it(rig: Rig) -> None:
    one, other = rig.racing_commands(), rig.racing_commands()
    lost, won = other.deploy(rig.bundle("b"), DeployRequest()), one.deploy(rig.bundle("a"), DeployRequest())
    with pytest.raises(DeployError, match=r"deployment 1 by .* replaced deployment 1"):
        wait(rig, lost)
    assert wait(rig, won) == 0
    publish(rig, WorkerState(worker="w1", recipe="cup", deployment=1, digest=load(rig.bundle("b")).digest, phase=LIVE))
    with pytest.raises(DeployError, match="w1 did not follow"):
        wait(rig, won)
    publish(rig, WorkerState(worker="w1", recipe="cup", deployment=1, digest=load(rig.bundle("a")).digest, phase=LIVE))
    assert wait(rig, won) == 1


def test_the_word_of_an_older_worker_names_the_number_alone(rig: Rig) -> None:
    """While workers are brought up to date one by one."""
    changes = rig.deploy("a")
    publish(rig, WorkerState(worker="w1", recipe="cup", deployment=1, phase=LIVE))
    assert wait(rig, changes) == 1
    changes = rig.deploy("b")
    with pytest.raises(DeployError, match="w1 did not follow"):
        wait(rig, changes)


def test_the_end_of_a_trial_is_waited_for_too(rig: Rig) -> None:
    rig.deploy("a")
    say(rig, "w1", 1, LIVE)
    (change,) = rig.commands().roll_back("")
    assert (change.target, change.expected.number) == (CUP, 2)
