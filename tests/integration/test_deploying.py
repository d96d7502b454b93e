"""Bundles change on running lines, of processes and on both logs, and nothing is lost or doubled by it."""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from inspector.bundle.schema import SignalInput
from inspector.cli import main
from inspector.client.client import Client, ClientError, WatchOptions
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.records import Output
from tests.bundles import Toy, edit_manifest, write_toy_bundle
from tests.integration.deploy_run import SHORT, run
from tests.integration.fault_run import Options
from tests.integration.faults import wait_for
from tests.integration.service_line import (
    LINE,
    NUM_SAMPLES,
    PRODUCT,
    RATE_HZ,
    STATION,
    Look,
    ServiceLine,
    answers,
    inspection,
)

LOGS = ["embedded", pytest.param("kafka", marks=pytest.mark.broker)]
SPOILED = 1 + SHORT.index("spoiled")


@pytest.mark.broker
@pytest.mark.timeout(400)
@pytest.mark.parametrize("log", ["embedded", "kafka"])
def test_every_piece_has_one_verdict_of_the_bundle_that_it_names(log: str, tmp_path: Path) -> None:
    report: dict[str, Any] = run(Options(log, pieces=120, rate=12.0, folder=tmp_path, plans={}), SHORT, calm=False)
    assert (report["verdicts"], report["doubled"], report["missing"]) == (report["pieces"], 0, 0)
    assert report["verdicts_within"][SPOILED - 1] > 0, "the line continues while a bundle is refused"
    assert report["verdicts_after"][SPOILED - 1] > 0, "and after it"
    assert (report["misnamed"], report["failures"]) == ([], [])
    assert [(name, code) for name, code, _ in report["steps"]] == [(name, int(name == "spoiled")) for name in SHORT]
    refusal = report["output"][SPOILED - 1]
    assert "onnx/int8: REFUSED: " in refusal
    assert "NEW PASS OF A DEFECTIVE PIECE" in refusal
    assert refusal.endswith("rolled back; the line continues as before\n")
    assert len(report["by_deployment"]) >= 2
    assert SPOILED not in report["by_deployment"]


@pytest.fixture(params=LOGS)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceLine:
    return ServiceLine.make(tmp_path, request.getfixturevalue("bootstrap") if request.param == "kafka" else "")


def bundle(line: ServiceLine, version: str) -> Path:
    signal_input = SignalInput(sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES, num_channels=1)
    folder = write_toy_bundle(line.folder / f"made-{version}", Toy(signal=signal_input))
    edit_manifest(folder, {"version": version})
    return folder


def command(line: ServiceLine, *options: str) -> Result:
    """In this process: the first test runs these commands as processes."""
    config = str(line.folder / "service.toml")
    return CliRunner().invoke(main, ["--log-level", "error", *options, "--config", config])


def publish(line: ServiceLine, pieces: list[str]) -> None:
    for piece in pieces:
        line.publish(line.piece(piece, Look()))


def test_a_worker_killed_while_it_loads_comes_back_with_what_counts(line: ServiceLine) -> None:
    before, after = [f"p{n}" for n in range(5)], [f"p{n}" for n in range(5, 10)]
    with line.start("worker") as process:
        publish(line, before)
        line.wait_for_verdicts(before)
        assert command(line, "deploy", str(bundle(line, "2")), "--no-wait").exit_code == 0
        wait_for(lambda: "deployment 1 is checking here" in line.log_text, 60, "the worker to check")
        process.signal(signal.SIGKILL)
        process.wait(60)
    publish(line, after)
    with line.start("worker"):
        line.wait_for_verdicts([*before, *after])
        listed = command(line, "deployments").stdout
    verdicts = {verdict.inspection.piece_id: verdict for verdict in line.verdicts()}
    assert Counter(verdict.inspection.piece_id for verdict in line.verdicts()) == Counter([*before, *after])
    assert {(verdicts[piece].bundle_version, verdicts[piece].deployment) for piece in before} == {("1", 0)}
    assert {(verdicts[piece].bundle_version, verdicts[piece].deployment) for piece in after} == {("2", 1)}
    assert "live: toy 2" in listed
    assert "worker-1: running 1" in listed


def test_a_gateway_without_a_worker_follows_too(tmp_path: Path) -> None:
    line = ServiceLine.make(tmp_path)
    with line.start("gateway") as process, Client(line.address) as client:
        wait_for(lambda: process.has_ended or answers(client), 60, "the gateway to answer")
        done = command(line, "deploy", str(bundle(line, "2")))
        assert (done.exit_code, "no worker has reported within a minute" in done.stderr) == (1, True)
        wait_for(lambda: client.inspect(Look().request("p")).deployment == 1, 120, "the gateway to switch")
        verdict, model = client.inspect(Look().request("p")), client.model(LINE, STATION, PRODUCT)
    assert (verdict.bundle_version, model.bundle_version, model.deployment) == ("2", "2", 1)
    assert verdict.bundle_digest == model.bundle_digest != ""


def test_a_gateway_that_serves_only_verdicts_opens_no_model(tmp_path: Path) -> None:
    line = ServiceLine.make(tmp_path)
    with line.start("gateway") as process, Client(line.address) as client:
        wait_for(lambda: process.has_ended or "Gateway answers at" in line.log_text, 60, "the gateway to listen")
        watch = client.watch(WatchOptions(earliest=True))
        line.publish([verdict_record(line, "p0")])
        verdict, _ = next(iter(watch))
        watch.close()
        assert client.verdict(verdict.inspection).inspection.piece_id == "p0"
        assert not has_loaded_a_runtime(process.pid)
        assert "Bundle toy runs on" not in line.log_text
        with pytest.raises(ClientError, match="opening its models for the first time: call again"):
            client.model(LINE, STATION, PRODUCT)
        assert client.inspect(Look().request("p1")).bundle_version == "1"
        assert client.model(LINE, STATION, PRODUCT).bundle_version == "1"
        assert has_loaded_a_runtime(process.pid)
        assert "Bundle toy runs on onnx/fp32" in line.log_text


def verdict_record(line: ServiceLine, piece: str) -> Output:
    verdict = Verdict(inspection=inspection(piece), publish_ns=time.time_ns())
    return Output(line.topics.of("verdicts"), 0, piece.encode(), verdict.SerializeToString(), "inspection.v1.Verdict")


def has_loaded_a_runtime(pid: int) -> bool:
    return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text()


def test_a_shadow_judges_next_to_the_line_and_a_canary_in_it(line: ServiceLine) -> None:
    with line.start("serve"):
        wait_for(lambda: "is assigned to this worker" in line.log_text, 60, "the worker to own the line")
        tried = str(bundle(line, "2"))
        assert command(line, "deploy", tried, "--shadow").exit_code == 0
        publish(line, ["p0", "p1"])
        line.wait_for_verdicts(["p0", "p1"])
        wait_for(lambda: len(line.stored("shadow")) == 2, 60, "the shadow's verdicts")
        assert command(line, "deploy", tried, "--canary-stations", "st-1").exit_code == 0
        publish(line, ["p2"])
        line.wait_for_verdicts(["p2"])
        assert command(line, "rollback").exit_code == 0
        publish(line, ["p3"])
        line.wait_for_verdicts(["p3"])
        listed = command(line, "deployments").stdout
    assert [(v.inspection.piece_id, v.deployment) for v in line.verdicts()] == [
        ("p0", 0),
        ("p1", 0),
        ("p2", 2),
        ("p3", 0),
    ]
    assert [row.partition for row in line.stored("shadow")] == [row.partition for row in line.stored("verdicts")][:2]
    assert "2: " in listed
    assert "rolled back by 3" in listed
