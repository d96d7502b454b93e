"""Records of the control topics become a table; unreadable records are ignored."""

import logging

import pytest
from google.protobuf.json_format import ParseDict

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import ControlTable, active_output, deployment_output, phase_word, worker_output
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, WorkerPhase, WorkerState
from streams.records import Output, Record, Topics

TOPICS = Topics("p", "l1")


def record(output: Output, offset: int = 0, append_ns: int = 1) -> Record:
    return Record(output.topic, 0, offset, output.key, output.value, output.type, append_ns)


@pytest.fixture
def table() -> ControlTable:
    return ControlTable("p", ["l1"])


def test_the_last_record_of_a_key_counts(table: ControlTable) -> None:
    for number in (1, 2):
        table.take([record(active_output(TOPICS, "cup", ActiveDeployment(live=Deployment(number=number))))])
    assert {target: active.live.number for target, active in table.active.items()} == {DeploymentTarget("l1", "cup"): 2}


def test_every_deployment_stays_in_the_history(table: ControlTable) -> None:
    table.take([record(deployment_output(TOPICS, Deployment(number=number))) for number in (1, 3)])
    assert sorted(table.deployments) == [("l1", 1), ("l1", 3)]
    assert table.next_number() == 4


def test_a_worker_speaks_of_each_recipe(table: ControlTable) -> None:
    states = [WorkerState(worker=w, recipe=r, deployment=1, phase=WorkerPhase.WORKER_PHASE_LIVE)
              for w in ("w1", "w2") for r in ("cup", "lid")]  # fmt: skip
    table.take([record(worker_output(TOPICS, state), append_ns=7) for state in states])
    assert sorted(table.statuses(DeploymentTarget("l1", "cup"))) == ["w1", "w2"]
    assert table.newest_ns == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"deployment/x", b""),
        (b"deployment/-1", b""),
        (b"deployment/4294967295", b""),
        (b"deployment/" + b"9" * 5000, b""),
        (b"active/cup", b"\xff\xff"),
        (b"\xff", b""),
        (b"door/open", b""),
        (b"worker/w", b"\x08"),
    ],
)
def test_what_cannot_be_read_changes_nothing(
    table: ControlTable, caplog: pytest.LogCaptureFixture, key: bytes, value: bytes
) -> None:
    with caplog.at_level(logging.WARNING):
        table.take([Record(TOPICS.of("control"), 0, 9, key, value, "?", 1)])
    assert not table.active
    assert not table.deployments
    assert not table.workers
    assert "find out who wrote it" in caplog.text


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (WorkerPhase.WORKER_PHASE_STOPPED, "stopped"),
        (WorkerPhase.WORKER_PHASE_LIVE, "running"),
        (99, "phase 99"),
    ],
)
def test_phases_of_newer_workers_can_be_shown(phase: int, word: str) -> None:
    assert phase_word(phase) == word


def test_other_lines_are_not_its_business(table: ControlTable) -> None:
    table.take([record(active_output(Topics("p", "l2"), "cup", ActiveDeployment()))])
    assert not table.active


def test_records_from_before_the_fields_were_renamed_are_read(table: ControlTable) -> None:
    """`Active.trial` and `Deployment.withdrawn`; the old names are accepted in JSON too."""
    before = (
        Record(TOPICS.of("control"), 0, 0, b"active/cup", b"\x12\x02\x08\x03", "inspection.v1.Active", 1),
        Record(TOPICS.of("control"), 0, 1, b"deployment/3", b"\x08\x03\x7a\x04slow", "inspection.v1.Deployment", 1),
    )
    table.take(before)
    assert table.active[DeploymentTarget("l1", "cup")] == ActiveDeployment(candidate=Deployment(number=3))
    assert table.deployments["l1", 3].cancelled_reason == "slow"
    assert ParseDict({"trial": {"withdrawn": "slow"}}, ActiveDeployment()).candidate.cancelled_reason == "slow"
