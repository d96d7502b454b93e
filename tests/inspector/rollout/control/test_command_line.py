"""`inspector deploy`, `rollback` and `deployments` on the command line; the workers' reports are in the log already."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.bundle.load import load
from inspector.cli.deploying import deploy, rollback
from inspector.cli.deployments import deployments
from protos.inspection.v1.control_pb2 import WorkerPhase, WorkerState
from tests.inspector.rollout.toys import CONFIG, CUP, Rig, report

LIVE, REFUSED = WorkerPhase.WORKER_PHASE_LIVE, WorkerPhase.WORKER_PHASE_REFUSED


def called(rig: Rig, *words: str) -> Result:
    command = {"deploy": deploy, "rollback": rollback, "deployments": deployments}[words[0]]
    return CliRunner().invoke(command, [*words[1:], "--config", str(rig.service.path)])


def digest(rig: Rig) -> str:
    """Of the bundle that is deployed first."""
    return load(rig.bundle("a")).digest


def test_deploying_ends_when_every_worker_follows(rig: Rig) -> None:
    report(rig, WorkerState(worker="w1", recipe="cup", deployment=1, digest=digest(rig), phase=LIVE, detail="fits"))
    done = called(rig, "deploy", str(rig.bundle("a")), "--reason", "new light")
    assert done.exit_code == 0
    assert done.output.splitlines()[1:] == ["l1 w1: running: fits", "done: 1 worker(s) follow"]
    listed = called(rig, "deployments").output.splitlines()
    assert "(new light): live: toy a (" in listed[0]
    assert listed[0].endswith("): live now")
    assert listed[1].startswith("l1 cup w1: running 1 (fits); judges with its own bundle on ")


def test_a_worker_that_was_stopped_is_distinguished_from_one_that_judges(rig: Rig) -> None:
    rig.deploy("a")
    report(rig, WorkerState(worker="w1", recipe="cup", deployment=1, live=1, phase=WorkerPhase.WORKER_PHASE_STOPPED))
    assert "l1 cup w1: stopped 1; judged with 1 on " in called(rig, "deployments").output


def test_what_a_worker_refuses_is_taken_back(rig: Rig) -> None:
    words = WorkerState(worker="w1", recipe="cup", deployment=1, digest=digest(rig), phase=REFUSED)
    words.detail = "7 decisions flip"
    report(rig, words)
    done = called(rig, "deploy", str(rig.bundle("a")))
    assert done.exit_code == 1
    assert "w1 refuses deployment 1: 7 decisions flip" in done.output
    assert done.output.endswith("rolled back; the line continues as before\n")
    rig.commands()
    assert not rig.table.active[CUP].HasField("live")
    assert "withdrawn: w1 refuses deployment 1: 7 decisions flip" in called(rig, "deployments").output


def test_without_waiting_the_record_is_left_to_the_workers(rig: Rig) -> None:
    report(rig, WorkerState(worker="w1", recipe="cup", deployment=1, digest=digest(rig), phase=REFUSED))
    done = called(rig, "deploy", str(rig.bundle("a")), "--no-wait", "--canary", "0.25")
    assert (done.exit_code, len(done.output.splitlines())) == (0, 1)
    assert ", 25.0% of the inspections" in done.output


def test_where_no_worker_lives_nothing_is_done(rig: Rig) -> None:
    done = called(rig, "deploy", str(rig.bundle("a")))
    assert done.exit_code == 1
    assert "no worker has reported within a minute: the deployment stays active, and workers use it" in done.output
    assert called(rig, "deploy", str(rig.bundle("b")), "--no-wait").exit_code == 0


def test_a_roll_back_says_what_judges_again(rig: Rig) -> None:
    called(rig, "deploy", str(rig.bundle("a")))
    done = called(rig, "rollback")
    assert done.output.startswith(
        "deployment 2 on l1: live: the bundle that the recipe names, rolls back deployment 1\n"
    )
    assert "its own bundle judges" in called(rig, "rollback").output


def test_a_roll_back_names_the_lines_that_go_on_as_they_are(rig: Rig) -> None:
    called(rig, "deploy", str(rig.bundle("a")))
    rig.service.path.write_text(CONFIG.replace('"l1"', '"l1", "l2"'))
    assert called(rig, "rollback", "--no-wait").output.splitlines() == [
        "l2: nothing to roll back; this line continues as before",
        "deployment 2 on l1: live: the bundle that the recipe names, rolls back deployment 1",
    ]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--shadow", "--canary", "0.5"), 2, "exclude each other"),
        (("--canary", "0.1", "--canary-stations", "st-1"), 2, "exclude each other"),
        (("--canary", "0"), 2, "0<x<=1"),
        (("--canary-stations", ","), 2, "names no station"),
        (("--recipe", "lid"), 1, "names 0 of cup; choose one with --recipe"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    rig: Rig, options: tuple[str, ...], code: int, message: str
) -> None:
    done = called(rig, "deploy", str(rig.bundle("a")), *options)
    assert done.exit_code == code
    assert message in done.output
    assert not (rig.folder / "bundles").exists()


def test_a_bundle_that_is_not_whole_is_not_deployed(rig: Rig, tmp_path: Path) -> None:
    (rig.bundle("a") / "head.onnx").unlink()
    done = called(rig, "deploy", str(rig.bundle("a")))
    assert done.exit_code == 1
    assert "file 'head.onnx' cannot be read" in done.output
    assert not (tmp_path / "bundles").exists()


def test_escapes_of_those_who_write_the_control_topic_do_not_reach_the_terminal(rig: Rig) -> None:
    words = WorkerState(
        worker="w1", recipe="cup", deployment=1, digest=digest(rig), phase=REFUSED, detail="\x1b[2J\nl2"
    )
    report(rig, words)
    done = called(rig, "deploy", str(rig.bundle("a")), "--reason", "\x1b]0;owned\x07\nl1 cup 9: live now")
    listed = called(rig, "deployments").output
    assert "\x1b" not in done.output + listed
    assert r"(\x1b]0;owned\x07\nl1 cup 9: live now)" in listed
    assert len(listed.splitlines()) == 2
