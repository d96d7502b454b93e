"""A worker does what the control topic says, refuses what it must, and goes on with what it had."""

import shutil
from dataclasses import replace

import pytest

from inspector.bundle.load import BundleError, load
from inspector.judging.active_models import DeployedModel, DeploymentTarget
from inspector.recipe.recipes import ANY
from inspector.rollout import approvals
from inspector.rollout.control.commands import DeployRequest
from inspector.rollout.shadow import Fault
from protos.inspection.v1.control_pb2 import DeploymentMode, WorkerPhase, WorkerState
from tests.inspector.rollout.toys import CUP, Rig, look, say, version_of, word, worker

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
CANARY = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_CANARY, stations=("st-1",))
LIVE, REFUSED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_REFUSED


def test_without_a_record_the_recipes_own_bundle_judges(rig: Rig) -> None:
    with worker(rig) as follower:
        assert version_of(look(follower)) == (0, "1")
        assert follower.active_models.slots[CUP].live.model.schema.name == "own"
    assert (word(rig).deployment, word(rig).phase) == (0, LIVE)
    assert rig.gate.asked == []


def test_what_is_deployed_judges_once_it_is_checked(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        assert version_of(look(follower)) == (1, "a")
        assert follower.active_models.slots[DeploymentTarget(ANY, "cup")] is follower.active_models.slots[CUP]
    assert rig.gate.asked == ["a"]
    assert (word(rig).live, word(rig).phase, word(rig).detail, word(rig).engine) == (1, LIVE, "fits", "onnx/fp32")


def test_what_is_refused_changes_nothing_but_the_alarm(rig: Rig) -> None:
    rig.gate.refuses = {"b"}
    with worker(rig) as follower:
        rig.deploy("a")
        before = look(follower)
        rig.deploy("b")
        assert look(follower) is before
        assert look(follower) is before, "it is not tried again and again"
    assert rig.gate.asked == ["a", "b"]
    assert rig.refused() == 1
    assert (word(rig).deployment, word(rig).phase, word(rig).live) == (2, REFUSED, 1)
    assert word(rig).detail == "version b decides otherwise"


def test_after_a_refusal_the_next_one_is_taken(rig: Rig) -> None:
    rig.gate.refuses = {"a"}
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
        rig.deploy("b")
        assert version_of(look(follower)) == (2, "b")


def test_two_that_took_the_same_number_are_two_deployments(rig: Rig) -> None:
    one, other = rig.racing_orders(), rig.racing_orders()
    with worker(rig) as early:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(look(early)) == (1, "a")
        other.deploy(rig.bundle("b"), DeployRequest())
        assert version_of(look(early)) == (1, "b")
    with worker(rig) as late:
        assert version_of(late.active_models.slots[CUP]) == (1, "b")
    assert rig.gate.asked == ["a", "b"]


def test_the_later_of_the_same_number_is_taken_while_the_earlier_is_checked(rig: Rig) -> None:
    one, other = rig.racing_orders(), rig.racing_orders()
    rig.gate.meanwhile = lambda: other.deploy(rig.bundle("b"), DeployRequest()) if rig.gate.asked == ["a"] else None
    with worker(rig) as follower:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(look(follower)) == (0, "1")
        assert version_of(look(follower)) == (1, "b")


def test_two_trials_of_the_same_number_are_two(rig: Rig) -> None:
    one, other = rig.racing_orders(), rig.racing_orders()
    with worker(rig) as follower:
        one.deploy(rig.bundle("a"), SHADOW)
        look(follower)
        other.deploy(rig.bundle("b"), SHADOW)
        assert (shadow := look(follower).shadow) is not None
        assert shadow.model.schema.version == "b"


def test_a_changed_file_on_the_shelf_is_refused(rig: Rig) -> None:
    with worker(rig) as follower:
        (change,) = rig.deploy("a")
        shelved = rig.folder / "bundles" / change.deployment.folder / "head.onnx"
        shelved.write_bytes(shelved.read_bytes()[:-1] + b"\0")
        assert version_of(look(follower)) == (0, "1")
    assert "SHA-256" in word(rig).detail


def test_a_record_that_names_something_outside_the_shelf_is_refused(rig: Rig) -> None:
    with worker(rig) as follower:
        orders = rig.orders()
        (change,) = orders.deploy(rig.bundle("a"), DeployRequest())
        evil = change.active
        evil.live.folder, evil.live.number = "../made-a", 2
        orders._write([replace(change, active=evil)])
        assert version_of(look(follower)) == (0, "1")
    assert "is not plain" in word(rig).detail


def test_rolling_back_is_quick_for_what_was_checked_before(rig: Rig) -> None:
    with worker(rig) as follower:
        for version in ("a", "b"):
            rig.deploy(version)
            look(follower)
        rig.orders().roll_back("")
        assert version_of(look(follower)) == (3, "a")
        rig.orders().roll_back("")
        assert version_of(look(follower)) == (4, "1")
    assert rig.gate.asked == ["a", "b"]


def test_a_restart_judges_with_what_counts_and_does_not_check_it_again(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
    assert rig.gate.asked == ["a"]


def test_a_restart_on_another_machine_checks_again_whatever_the_record_says(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
    monkeypatch.setattr(approvals, "machine", lambda wish, gpu: "onnxruntime of tomorrow")
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
    assert rig.gate.asked == ["a", "a"]


def test_an_engine_of_another_version_in_a_record_is_no_hindrance(rig: Rig) -> None:
    rig.deploy("a")
    say(rig, WorkerState(worker="worker-1", recipe="cup", deployment=1, phase=LIVE, live=1, engine="quantum/fp4"))
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
    assert rig.gate.asked == ["a"]


def test_a_restart_takes_trials_up_again(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b", CANARY)
    with worker(rig) as follower:
        trial = follower.active_models.slots[CUP].trial
    assert trial is not None
    assert (trial.placed.number, trial.stations) == (2, frozenset({"st-1"}))


def test_a_start_goes_on_with_what_an_unproven_deployment_replaced(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
    rig.gate.refuses = {"b"}
    rig.deploy("b")
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
        assert rig.refused() == 1
    assert (word(rig).deployment, word(rig).phase, word(rig).live) == (2, REFUSED, 1)


def test_what_is_refused_here_may_judge_elsewhere(rig: Rig) -> None:
    """After a restart too."""
    rig.gate.refuses = {"b"}
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
        (change,) = rig.deploy("b")
        look(follower)
    others = WorkerState(worker="worker-2", recipe="cup", deployment=2, phase=LIVE, live=2)
    others.digest = others.live_digest = change.deployment.digest
    say(rig, others)
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
    assert (word(rig).deployment, word(rig).phase, word(rig).live) == (2, REFUSED, 1)


def test_a_worker_does_not_start_without_what_has_judged(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match=r"deployment 1 .* has judged here and cannot be opened now.*\n.*rollback"):
        rig.follower()


def test_a_start_that_was_cut_off_does_not_forget_what_has_judged(rig: Rig) -> None:
    """The first words of a start must not hide that the deployment is proven."""
    with worker(rig) as follower:
        rig.deploy("a")
        look(follower)
    shelf = rig.folder / "bundles"
    shelf.rename(rig.folder / "away")
    for _ in range(2):
        with pytest.raises(BundleError, match="has judged here"):
            rig.follower()
    (rig.folder / "away").rename(shelf)
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (1, "a")
    assert rig.gate.asked == ["a"]


def test_a_deployment_of_the_same_number_as_one_that_judged_is_not_proven(rig: Rig) -> None:
    one, other = rig.racing_orders(), rig.racing_orders()
    with worker(rig) as follower:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(look(follower)) == (1, "a")
    assert word(rig).live_digest == load(rig.bundle("a")).digest
    other.deploy(rig.bundle("b"), DeployRequest())
    rig.gate.refuses = {"b"}
    with worker(rig) as follower:
        assert version_of(follower.active_models.slots[CUP]) == (0, "1")


def test_the_word_of_an_older_worker_names_the_number_alone(rig: Rig) -> None:
    rig.deploy("a")
    say(rig, WorkerState(worker="worker-1", recipe="cup", deployment=1, phase=LIVE, live=1))
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match="has judged here"):
        rig.follower()


def test_what_another_worker_refused_meanwhile_is_not_placed(rig: Rig) -> None:
    with worker(rig) as follower:
        changes = rig.deploy("a")
        rig.gate.meanwhile = lambda: rig.orders().withdraw(changes, "refused elsewhere")
        assert version_of(look(follower)) == (0, "1")
        assert version_of(look(follower)) == (0, "1")
    assert (word(rig).deployment, word(rig).phase) == (0, LIVE)


def test_something_newer_is_taken_at_once_in_place_of_what_was_being_checked(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a")
        rig.gate.meanwhile = lambda: rig.deploy("b") if rig.gate.asked == ["a"] else None
        look(follower)
        assert version_of(look(follower)) == (2, "b")


def test_a_shadow_and_a_canary_stand_beside_what_is_live(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a", SHADOW)
        assert (shadow := look(follower).shadow) is not None
        assert shadow.model.schema.version == "a"
        rig.deploy("b", CANARY)
        post = look(follower)
        assert (post.shadow, post.trial is not None and post.trial.placed.number) == (None, 2)
        rig.orders().roll_back("")
        assert look(follower).trial is None
    assert (word(rig).deployment, word(rig).phase) == (0, LIVE)


def test_a_trial_that_is_refused_leaves_the_live_one_alone(rig: Rig) -> None:
    rig.gate.refuses = {"a"}
    with worker(rig) as follower:
        rig.deploy("a", SHADOW)
        post = look(follower)
        assert (post.trial, post.live.number) == (None, 0)
    assert (rig.refused(), word(rig).phase) == (1, REFUSED)


@pytest.mark.parametrize("wish", [replace(CANARY, share=0.5), replace(CANARY, stations=()), replace(SHADOW, share=0.1)])
def test_a_trial_that_would_judge_otherwise_than_it_says_is_refused(rig: Rig, wish: DeployRequest) -> None:
    with worker(rig) as follower:
        rig.deploy("a", wish)
        assert look(follower).trial is None
    assert "deploy it again" in word(rig).detail


class FailedOnce:
    """A stand-in for the shadow's thread, which has a fault to tell of."""

    def __init__(self, placed: DeployedModel | None) -> None:
        assert placed is not None
        self._faults = [Fault(placed, "KeyError: 'top-thumb'")]

    def fault(self) -> Fault | None:
        return self._faults.pop() if self._faults else None


def test_a_shadow_that_fails_is_ended_and_told_of(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a", SHADOW)
        follower._shadow = FailedOnce(look(follower).shadow)
        follower._end_failed_shadows()
        post = look(follower)
        assert (post.trial, post.live.number) == (None, 0)
    assert (rig.refused(), word(rig).deployment, word(rig).phase) == (1, 1, REFUSED)
    assert word(rig).detail == "KeyError: 'top-thumb'"


def test_a_shadow_does_not_answer_for_the_one_before(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a", SHADOW)
        follower._shadow = FailedOnce(look(follower).shadow)
        rig.deploy("b", SHADOW)
        after = look(follower)
        follower._end_failed_shadows()
        assert look(follower) is after
    assert (rig.refused(), word(rig).deployment, word(rig).phase) == (0, 2, LIVE)


def test_going_live_takes_the_very_model_that_was_on_trial(rig: Rig) -> None:
    with worker(rig) as follower:
        rig.deploy("a", SHADOW)
        tried = look(follower).shadow
        rig.deploy("a")
        post = look(follower)
        assert tried is not None
        assert (post.live.model, post.live.number, post.trial) == (tried.model, 2, None)


def test_a_bundle_that_fails_in_a_way_nobody_foresaw_is_refused(rig: Rig) -> None:
    def fail() -> None:
        raise UnicodeDecodeError("utf-8", b"\xfc", 0, 1, "invalid start byte")

    rig.gate.meanwhile = fail
    with worker(rig) as follower:
        rig.deploy("a")
        assert version_of(look(follower)) == (0, "1")
    assert word(rig).detail.startswith("UnicodeDecodeError")
