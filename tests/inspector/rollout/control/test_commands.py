"""Deploying and rolling back: the active deployment afterwards, and the history."""

from contextlib import closing
from pathlib import Path

import pytest

from inspector.bundle.schema import SignalInput
from inspector.config.opening import open_log
from inspector.config.service import load_service
from inspector.judging.active_models import DeploymentTarget
from inspector.recipe.problems import ConfigError
from inspector.rollout.control.commands import DeployError, DeployRequest
from inspector.rollout.control.history import rows_of
from inspector.rollout.control.records import ControlTable, active_output
from protos.inspection.v1.control_pb2 import ActiveDeployment, DeploymentMode
from streams.records import Topics
from tests.bundles import Toy, write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, CUP, Rig

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
CANARY = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_CANARY, share=0.1)


def counts(rig: Rig) -> ActiveDeployment:
    rig.commands()
    return rig.table.active[CUP]


def live(rig: Rig) -> tuple[int, str]:
    deployment = counts(rig).live
    return deployment.number, deployment.version


def test_roll_backs_walk_back_through_what_was_live(rig: Rig) -> None:
    for version in ("a", "b", "c"):
        rig.deploy(version)
    deployments = []
    for _ in range(3):
        rig.commands().roll_back("")
        deployments.append(live(rig))
    assert deployments == [(4, "b"), (5, "a"), (6, "")]
    assert not counts(rig).live.folder, "the bundle that the recipe names"


def test_nothing_lies_before_the_recipes_own_bundle(rig: Rig) -> None:
    with pytest.raises(DeployError, match="recipe 'cup' on l1: its own bundle judges"):
        rig.commands().roll_back("")
    rig.deploy("a")
    rig.commands().roll_back("")
    with pytest.raises(DeployError, match="recipe 'cup' on l1: its own bundle judges"):
        rig.commands().roll_back("")


def add_line(rig: Rig) -> None:
    """The recipe's line is `*`: it holds there too."""
    rig.service.path.write_text(CONFIG.replace('"l1"', '"l1", "l2"'))
    rig.service = load_service(rig.service.path)
    rig.log, rig.table = open_log(rig.service.path, rig.service.config), ControlTable("inspection", ("l1", "l2"))


def test_a_line_added_since_does_not_stand_in_the_way_of_a_roll_back(rig: Rig) -> None:
    rig.deploy("a")
    add_line(rig)
    assert [(change.target, change.deployment.rolls_back) for change in rig.commands().roll_back("")] == [(CUP, 1)]
    assert live(rig) == (2, "")
    assert DeploymentTarget("l2", "cup") not in rig.table.active
    with pytest.raises(DeployError, match="recipe 'cup' on l1, l2: its own bundle judges"):
        rig.commands().roll_back("")


def test_a_roll_back_ends_trials_only_where_one_line_has_one(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b", SHADOW)
    add_line(rig)
    rig.commands()
    l2 = ActiveDeployment(live=rig.table.active[CUP].live)
    with closing(rig.log.publisher()) as publisher:
        publisher.publish([active_output(Topics("inspection", "l2"), "cup", l2)])
    assert [(change.target, change.deployment.rolls_back) for change in rig.commands().roll_back("")] == [(CUP, 2)]
    assert (live(rig), counts(rig).HasField("candidate")) == ((1, "a"), False)
    assert rig.table.active[DeploymentTarget("l2", "cup")] == l2


def test_a_deployment_after_a_roll_back_returns_to_what_that_set(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b")
    rig.commands().roll_back("")
    rig.deploy("c")
    rig.commands().roll_back("")
    assert live(rig) == (5, "a")


def test_a_trial_stands_next_to_what_is_live_and_a_roll_back_ends_it(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b", CANARY)
    assert (live(rig), counts(rig).candidate.version, counts(rig).candidate.share) == ((1, "a"), "b", 0.1)
    rig.commands().roll_back("")
    assert live(rig) == (1, "a")
    assert not counts(rig).HasField("candidate")


def test_a_trial_may_run_next_to_the_recipes_own_bundle(rig: Rig) -> None:
    rig.deploy("a", SHADOW)
    assert not counts(rig).HasField("live")
    assert counts(rig).candidate.version == "a"


def test_going_live_ends_the_trial(rig: Rig) -> None:
    rig.deploy("a", SHADOW)
    rig.deploy("a")
    assert (live(rig), counts(rig).HasField("candidate")) == ((2, "a"), False)


def test_what_is_taken_back_leaves_what_counted_before(rig: Rig) -> None:
    rig.deploy("a")
    changes = rig.deploy("b")
    rig.commands().withdraw(changes, "spoiled")
    assert live(rig) == (1, "a")
    assert rig.table.deployments["l1", 2].cancelled_reason == "spoiled"


def test_what_somebody_deployed_since_is_not_taken_back(rig: Rig) -> None:
    changes = rig.deploy("a")
    rig.deploy("b")
    rig.commands().withdraw(changes, "spoiled")
    assert live(rig) == (2, "b")


def test_the_history_says_what_became_of_each(rig: Rig) -> None:
    rig.deploy("a")
    rig.deploy("b")
    rig.commands().roll_back("")
    rig.deploy("c", SHADOW)
    rig.commands().roll_back("")
    rig.deploy("d")
    rig.deploy("e", CANARY)
    rig.commands()
    assert [row.state for row in rows_of(rig.table)] == [
        "replaced", "rolled back by 3", "replaced", "rolled back by 5", "done", "live now", "canary now",
    ]  # fmt: skip


def test_a_bundle_that_does_not_fit_the_recipe_is_not_even_copied(rig: Rig, tmp_path: Path) -> None:
    slow = SignalInput(sample_rate_hz=50.0, num_samples=8, num_channels=1)
    odd = write_toy_bundle(tmp_path / "odd", Toy(signal=slow))
    with pytest.raises(ConfigError, match="sample_rate_hz"):
        rig.commands().deploy(odd, DeployRequest())
    assert not (tmp_path / "bundles").exists()
