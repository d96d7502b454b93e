"""`inspector deployments --tidy`: removes unneeded bundles from the store, says why others stay."""

import errno
from contextlib import closing
from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.bundle.store import BundleStore, folder_name
from inspector.rollout.control.commands import DeployRequest
from inspector.rollout.control.records import active_output
from protos.inspection.v1.control_pb2 import ActiveDeployment, DeploymentMode, WorkerPhase, WorkerState
from streams.records import CONTROL_KIND, Output, Topics
from tests.inspector.rollout.control.test_command_line import called
from tests.inspector.rollout.toys import CONFIG, RECIPE, Rig, report

SHADOW = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW)
CANARY = DeployRequest(DeploymentMode.DEPLOYMENT_MODE_CANARY, share=0.1)


def fates(rig: Rig) -> dict[str, str]:
    """The outcome of each bundle, by its version; checks that only the removed bundles are gone."""
    before = on_shelf(rig)
    done = called(rig, "deployments", "--tidy")
    assert done.exit_code == 0, done.output
    rows = [line.split(": ", 2) for line in done.output.splitlines()[:-1]]
    assert on_shelf(rig) == before - {name for name, _, fate in rows if fate.startswith("removed")}
    return {name.split("-")[1]: fate for name, _, fate in rows}


def on_shelf(rig: Rig) -> set[str]:
    return {path.name for path in rig.service.bundles.iterdir()}


def test_what_nothing_returns_to_goes(rig: Rig) -> None:
    for version in ("a", "b", "c"):
        rig.deploy(version)
    rig.commands().roll_back("c was spoiled")
    rig.deploy("d", SHADOW)
    rig.deploy("e", CANARY)
    assert fates(rig) == {
        "a": "kept, a roll-back of cup on l1 returns to it",
        "b": "kept, live for cup on l1",
        "c": "removed, no longer needed",
        "d": "removed, no longer needed",
        "e": "kept, on trial for cup on l1",
    }


def test_roll_backs_find_all_that_they_return_to(rig: Rig) -> None:
    for version in ("a", "b", "c"):
        rig.deploy(version)
    rig.commands().roll_back("")
    rig.deploy("d")
    fates(rig)
    folders = []
    for _ in range(3):
        live = rig.commands().roll_back("")[0].active.live
        folders.append(live.version)
        assert not live.folder or BundleStore(rig.service.bundles).get(live.folder, live.digest)
    assert folders == ["b", "a", ""]


def test_sizes_are_reported(rig: Rig) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")
    (name,) = on_shelf(rig)
    (rig.service.bundles / name / "head.onnx").write_bytes(bytes(7_300_000))
    assert called(rig, "deployments", "--tidy").output.splitlines() == [
        f"{name}: 7.3 MB: removed, no longer needed",
        f"7.3 MB freed in {rig.service.bundles}",
    ]


def test_other_lines_and_recipes_count(rig: Rig) -> None:
    rig.service.path.write_text(CONFIG.replace('"l1"', '"l1", "l2"'))
    change = rig.deploy("a")[0]
    rig.commands().roll_back("")
    publish(rig, active_output(Topics("inspection", "l2"), "lid", ActiveDeployment(live=change.deployment)))
    assert fates(rig) == {"a": "kept, live for lid on l2"}


@pytest.mark.parametrize(
    ("said_ns", "fate"),
    [(None, "kept, w1 judges with it on l1"), (1_000_000_000, "removed, no longer needed")],
)
def test_what_a_living_worker_judges_with_stays(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, said_ns: int | None, fate: str
) -> None:
    """It refuses the roll-back and continues, or its last report is old."""
    rig.deploy("a")
    with monkeypatch.context() as then:
        if said_ns is not None:
            then.setattr("streams.embedded.store.time.time_ns", lambda: said_ns)
        report(rig, WorkerState(worker="w1", recipe="cup", live=1, phase=WorkerPhase.WORKER_PHASE_REFUSED))
    rig.commands().roll_back("")
    assert fates(rig) == {"a": fate}


def test_of_two_that_took_the_same_number_that_stays_which_a_worker_judges_with(rig: Rig) -> None:
    """It was deployed before under another number; of number 3 the history holds the later one."""
    rig.deploy("a")
    rig.commands().roll_back("")
    one, other = rig.racing_commands(), rig.racing_commands()
    one.deploy(rig.bundle("a"), DeployRequest())
    digest = load(rig.bundle("a")).digest
    report(rig, WorkerState(worker="w1", recipe="cup", live=3, live_digest=digest))
    other.deploy(rig.bundle("b"), DeployRequest())
    rig.commands().roll_back("")
    assert fates(rig) == {"a": "kept, w1 judges with it on l1", "b": "removed, no longer needed"}


def test_what_a_recipe_names_stays(rig: Rig) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")
    (name,) = on_shelf(rig)
    (rig.folder / "cup.toml").write_text(RECIPE.replace('"own"', f'"bundles/{name}"'))
    assert fates(rig) == {"a": "kept, recipe cup names it"}


def test_what_these_lines_never_deployed_stays(rig: Rig) -> None:
    BundleStore(rig.service.bundles).put(load(rig.bundle("a")))
    assert fates(rig) == {
        "a": "kept, no deployment of these lines names it: another configuration may; else remove it by hand"
    }


def test_nothing_but_bundles_is_touched(rig: Rig, tmp_path: Path) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")
    shelf, name = rig.service.bundles, folder_name(load(rig.bundle("a")))
    (shelf / name).rename(tmp_path / "elsewhere")
    (shelf / name).symlink_to(tmp_path / "elsewhere")
    for folder in (f"{name}.cache", ".arriving-x", "toy-a", f"{name}0", "notes"):
        (shelf / folder).mkdir()
    assert fates(rig) == {}


def test_where_nothing_was_ever_put_nothing_is_to_do(rig: Rig) -> None:
    done = called(rig, "deployments", "--tidy")
    assert (done.exit_code, done.output) == (0, f"0.0 MB freed in {rig.service.bundles}\n")


@pytest.mark.parametrize(("key", "value"), [("active/cup", b"\xff"), ("deployment/x", b""), ("freeze/cup", b"")])
def test_a_record_that_cannot_be_read_may_name_any_bundle(rig: Rig, key: str, value: bytes) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")
    publish(rig, Output(Topics("inspection", "l1").of(CONTROL_KIND), 0, key.encode(), value, "unknown"))
    check_refused(rig, "may name any bundle, so none is removed")


def test_a_log_that_cannot_be_read_keeps_all(rig: Rig) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")
    for path in rig.folder.glob("log.sqlite*"):
        path.write_bytes(b"no log" * 1000)
    check_refused(rig, "log.sqlite")


def test_what_cannot_be_removed_is_reported(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.deploy("a")
    rig.commands().roll_back("")

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("inspector.bundle.store.shutil.rmtree", refuse)
    check_refused(rig, "cannot be listed or removed (Permission denied); tidy as a user who may write in")


def check_refused(rig: Rig, message: str) -> None:
    before = on_shelf(rig)
    done = called(rig, "deployments", "--tidy")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert message in done.output
    assert on_shelf(rig) == before != set()


def publish(rig: Rig, output: Output) -> None:
    with closing(rig.log.publisher()) as publisher:
        publisher.publish([output])
