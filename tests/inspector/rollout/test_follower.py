"""A worker follows the control topics; after a refusal it continues as before."""

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
from tests.inspector.rollout.toys import Rig, last_report, report, running, version_of

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
CANARY = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_CANARY, stations=("st-1",))
LIVE, REFUSED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_REFUSED


def test_without_a_record_the_recipes_own_bundle_judges(rig: Rig) -> None:
    with running(rig) as worker:
        assert version_of(worker.look()) == (0, "1")
        assert worker.slot.live.model.schema.name == "own"
    assert (last_report(rig).deployment, last_report(rig).phase) == (0, LIVE)
    assert rig.gate.checked_versions == []


def test_what_is_deployed_judges_once_it_is_checked(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        assert version_of(worker.look()) == (1, "a")
        assert worker.installer.active_models.slots[DeploymentTarget(ANY, "cup")] is worker.slot
    assert rig.gate.checked_versions == ["a"]
    assert (last_report(rig).live, last_report(rig).phase, last_report(rig).detail, last_report(rig).engine) == (
        1,
        LIVE,
        "fits",
        "onnx/fp32",
    )


def test_what_is_refused_changes_nothing_but_the_alarm(rig: Rig) -> None:
    rig.gate.refuses = {"b"}
    with running(rig) as worker:
        rig.deploy("a")
        before = worker.look()
        rig.deploy("b")
        assert worker.look() is before
        assert worker.look() is before, "it is not tried again and again"
    assert rig.gate.checked_versions == ["a", "b"]
    assert rig.refused() == 1
    assert (last_report(rig).deployment, last_report(rig).phase, last_report(rig).live) == (2, REFUSED, 1)
    assert last_report(rig).detail == "version b decides otherwise"


def test_after_a_refusal_the_next_one_is_taken(rig: Rig) -> None:
    rig.gate.refuses = {"a"}
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
        rig.deploy("b")
        assert version_of(worker.look()) == (2, "b")


def test_two_that_took_the_same_number_are_two_deployments(rig: Rig) -> None:
    one, other = rig.racing_commands(), rig.racing_commands()
    with running(rig) as early:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(early.look()) == (1, "a")
        other.deploy(rig.bundle("b"), DeployRequest())
        assert version_of(early.look()) == (1, "b")
    with running(rig) as late:
        assert version_of(late.slot) == (1, "b")
    assert rig.gate.checked_versions == ["a", "b"]


def test_the_later_of_the_same_number_is_taken_while_the_earlier_is_checked(rig: Rig) -> None:
    one, other = rig.racing_commands(), rig.racing_commands()
    rig.gate.meanwhile = lambda: (
        other.deploy(rig.bundle("b"), DeployRequest()) if rig.gate.checked_versions == ["a"] else None
    )
    with running(rig) as worker:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(worker.look()) == (0, "1")
        assert version_of(worker.look()) == (1, "b")


def test_two_trials_of_the_same_number_are_two(rig: Rig) -> None:
    one, other = rig.racing_commands(), rig.racing_commands()
    with running(rig) as worker:
        one.deploy(rig.bundle("a"), SHADOW)
        worker.look()
        other.deploy(rig.bundle("b"), SHADOW)
        assert (shadow := worker.look().shadow) is not None
        assert shadow.model.schema.version == "b"


def test_a_changed_file_on_the_shelf_is_refused(rig: Rig) -> None:
    with running(rig) as worker:
        (change,) = rig.deploy("a")
        shelved = rig.folder / "bundles" / change.deployment.folder / "head.onnx"
        shelved.write_bytes(shelved.read_bytes()[:-1] + b"\0")
        assert version_of(worker.look()) == (0, "1")
    assert "SHA-256" in last_report(rig).detail


def test_a_record_that_names_something_outside_the_shelf_is_refused(rig: Rig) -> None:
    with running(rig) as worker:
        orders = rig.commands()
        (change,) = orders.deploy(rig.bundle("a"), DeployRequest())
        evil = change.active
        evil.live.folder, evil.live.number = "../made-a", 2
        orders._write([replace(change, active=evil)])
        assert version_of(worker.look()) == (0, "1")
    assert "is not plain" in last_report(rig).detail


def test_rolling_back_is_quick_for_what_was_checked_before(rig: Rig) -> None:
    with running(rig) as worker:
        for version in ("a", "b"):
            rig.deploy(version)
            worker.look()
        rig.commands().roll_back("")
        assert version_of(worker.look()) == (3, "a")
        rig.commands().roll_back("")
        assert version_of(worker.look()) == (4, "1")
    assert rig.gate.checked_versions == ["a", "b"]


def test_a_restart_judges_with_what_counts_and_does_not_check_it_again(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
    assert rig.gate.checked_versions == ["a"]


def test_a_restart_on_another_machine_checks_again_whatever_the_record_says(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
    monkeypatch.setattr(approvals, "machine", lambda wish, gpu: "onnxruntime of tomorrow")
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
    assert rig.gate.checked_versions == ["a", "a"]


def test_an_engine_of_another_version_in_a_record_is_no_hindrance(rig: Rig) -> None:
    rig.deploy("a")
    report(rig, WorkerState(worker="worker-1", recipe="cup", deployment=1, phase=LIVE, live=1, engine="quantum/fp4"))
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
    assert rig.gate.checked_versions == ["a"]


def test_a_restart_takes_trials_up_again(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b", CANARY)
    with running(rig) as worker:
        trial = worker.slot.trial
    assert trial is not None
    assert (trial.placed.number, trial.stations) == (2, frozenset({"st-1"}))


def test_a_start_goes_on_with_what_an_unproven_deployment_replaced(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
    rig.gate.refuses = {"b"}
    rig.deploy("b")
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
        assert rig.refused() == 1
    assert (last_report(rig).deployment, last_report(rig).phase, last_report(rig).live) == (2, REFUSED, 1)


def test_what_is_refused_here_may_judge_elsewhere(rig: Rig) -> None:
    """After a restart too."""
    rig.gate.refuses = {"b"}
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
        (change,) = rig.deploy("b")
        worker.look()
    others = WorkerState(worker="worker-2", recipe="cup", deployment=2, phase=LIVE, live=2)
    others.digest = others.live_digest = change.deployment.digest
    report(rig, others)
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
    assert (last_report(rig).deployment, last_report(rig).phase, last_report(rig).live) == (2, REFUSED, 1)


def test_a_worker_does_not_start_without_what_has_judged(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match=r"deployment 1 .* has judged here and cannot be opened now.*\n.*rollback"):
        rig.worker()


def test_a_start_that_was_cut_off_does_not_forget_what_has_judged(rig: Rig) -> None:
    """The first words of a start must not hide that the deployment is proven."""
    with running(rig) as worker:
        rig.deploy("a")
        worker.look()
    shelf = rig.folder / "bundles"
    shelf.rename(rig.folder / "away")
    for _ in range(2):
        with pytest.raises(BundleError, match="has judged here"):
            rig.worker()
    (rig.folder / "away").rename(shelf)
    with running(rig) as worker:
        assert version_of(worker.slot) == (1, "a")
    assert rig.gate.checked_versions == ["a"]


def test_a_deployment_of_the_same_number_as_one_that_judged_is_not_proven(rig: Rig) -> None:
    one, other = rig.racing_commands(), rig.racing_commands()
    with running(rig) as worker:
        one.deploy(rig.bundle("a"), DeployRequest())
        assert version_of(worker.look()) == (1, "a")
    assert last_report(rig).live_digest == load(rig.bundle("a")).digest
    other.deploy(rig.bundle("b"), DeployRequest())
    rig.gate.refuses = {"b"}
    with running(rig) as worker:
        assert version_of(worker.slot) == (0, "1")


def test_the_word_of_an_older_worker_names_the_number_alone(rig: Rig) -> None:
    rig.deploy("a")
    report(rig, WorkerState(worker="worker-1", recipe="cup", deployment=1, phase=LIVE, live=1))
    shutil.rmtree(rig.folder / "bundles")
    with pytest.raises(BundleError, match="has judged here"):
        rig.worker()


def test_what_another_worker_refused_meanwhile_is_not_placed(rig: Rig) -> None:
    with running(rig) as worker:
        changes = rig.deploy("a")
        rig.gate.meanwhile = lambda: rig.commands().withdraw(changes, "refused elsewhere")
        assert version_of(worker.look()) == (0, "1")
        assert version_of(worker.look()) == (0, "1")
    assert (last_report(rig).deployment, last_report(rig).phase) == (0, LIVE)


def test_something_newer_is_taken_at_once_in_place_of_what_was_being_checked(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a")
        rig.gate.meanwhile = lambda: rig.deploy("b") if rig.gate.checked_versions == ["a"] else None
        worker.look()
        assert version_of(worker.look()) == (2, "b")


def test_a_shadow_and_a_canary_stand_next_to_what_is_live(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a", SHADOW)
        assert (shadow := worker.look().shadow) is not None
        assert shadow.model.schema.version == "a"
        rig.deploy("b", CANARY)
        post = worker.look()
        assert (post.shadow, post.trial is not None and post.trial.placed.number) == (None, 2)
        rig.commands().roll_back("")
        assert worker.look().trial is None
    assert (last_report(rig).deployment, last_report(rig).phase) == (0, LIVE)


def test_a_trial_that_is_refused_leaves_the_live_one_alone(rig: Rig) -> None:
    rig.gate.refuses = {"a"}
    with running(rig) as worker:
        rig.deploy("a", SHADOW)
        post = worker.look()
        assert (post.trial, post.live.number) == (None, 0)
    assert (rig.refused(), last_report(rig).phase) == (1, REFUSED)


@pytest.mark.parametrize("wish", [replace(CANARY, share=0.5), replace(CANARY, stations=()), replace(SHADOW, share=0.1)])
def test_a_trial_that_would_judge_otherwise_than_it_says_is_refused(rig: Rig, wish: DeployRequest) -> None:
    with running(rig) as worker:
        rig.deploy("a", wish)
        assert worker.look().trial is None
    assert "deploy it again" in last_report(rig).detail


class FailedOnce:
    """A stand-in for the shadow's thread, which has a fault to tell of."""

    def __init__(self, placed: DeployedModel | None) -> None:
        assert placed is not None
        self._faults = [Fault(placed, "KeyError: 'top-thumb'")]

    def fault(self) -> Fault | None:
        return self._faults.pop() if self._faults else None


def test_a_shadow_that_fails_is_ended_and_reported(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a", SHADOW)
        worker.follower._shadow = FailedOnce(worker.look().shadow)
        worker.follower._end_failed_shadows()
        post = worker.look()
        assert (post.trial, post.live.number) == (None, 0)
    assert (rig.refused(), last_report(rig).deployment, last_report(rig).phase) == (1, 1, REFUSED)
    assert last_report(rig).detail == "KeyError: 'top-thumb'"


def test_a_shadow_does_not_answer_for_the_one_before(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a", SHADOW)
        failed = worker.look().shadow
        rig.deploy("b", SHADOW)
        after = worker.look()
        worker.follower._shadow = FailedOnce(failed)
        worker.follower._end_failed_shadows()
        assert worker.look() is after
    assert (rig.refused(), last_report(rig).deployment, last_report(rig).phase) == (0, 2, LIVE)


def test_going_live_takes_the_very_model_that_was_on_trial(rig: Rig) -> None:
    with running(rig) as worker:
        rig.deploy("a", SHADOW)
        tried = worker.look().shadow
        rig.deploy("a")
        post = worker.look()
        assert tried is not None
        assert (post.live.model, post.live.number, post.trial) == (tried.model, 2, None)


def test_a_bundle_that_fails_in_a_way_nobody_foresaw_is_refused(rig: Rig) -> None:
    def fail() -> None:
        raise UnicodeDecodeError("utf-8", b"\xfc", 0, 1, "invalid start byte")

    rig.gate.meanwhile = fail
    with running(rig) as worker:
        rig.deploy("a")
        assert version_of(worker.look()) == (0, "1")
    assert last_report(rig).detail.startswith("UnicodeDecodeError")
