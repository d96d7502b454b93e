"""Lines without a camera and lines with cameras alone: from a bundle, by `init`, to verdicts over gRPC."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.api.inspector import Inspector
from inspector.bundle.schema import SignalInput
from inspector.cli import main
from inspector.client.client import Client, ClientError
from inspector.dataset.manifest import read_manifest
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.embedded import EmbeddedLog
from streams.encoding import to_output
from streams.records import Output, Topics
from tests.bundles import Toy, grey, hum, write_toy_bundle
from tests.integration.conftest import free_ports
from tests.integration.faults import WorkerProcess, wait_for
from tests.integration.service_line import Look, answers
from tests.leak_tests import CONFIG, RATE, curve, write_leak_tests

LINE, STATION = "line-1", "st-1"
TOPICS = Topics("inspection", LINE)
RATE_HZ, NUM_SAMPLES = 8000.0, 80
SIGNAL = SignalInput(sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES, num_channels=1)


def run(*words: object) -> str:
    """Output of a command that must succeed."""
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.output


def init(bundle: Path, out: Path) -> int:
    """`inspector init`, then ports of this test; returns the gateway's."""
    assert "inspector serve" in run("init", bundle, "--out", out)
    port = free_ports(1)[0]
    text = (out / "service.toml").read_text().replace("127.0.0.1:50051", f"127.0.0.1:{port}")
    (out / "service.toml").write_text(text + "\n[floor]\nenabled = false\n")
    assert "nothing wrong" in run("check", out / "service.toml")
    return port


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Client]:
    words = ("serve", "--config", str(folder / "service.toml"))
    with (
        WorkerProcess("inspector", {"OMP_NUM_THREADS": "1"}, folder / "service.log", words) as process,
        Client(f"127.0.0.1:{port}") as client,
    ):
        wait_for(lambda: process.has_ended or answers(client), 300, "the service to answer")
        assert not process.has_ended, (folder / "service.log").read_text()
        yield client


def publish(
    folder: Path, messages: Sequence[pb.PieceEvent | pb.SignalChunk | pb.ProcessTrace | pb.CameraFrame]
) -> None:
    outputs: list[Output] = [to_output(TOPICS, message) for message in messages]
    log = EmbeddedLog(folder / "log.sqlite")
    publisher = log.publisher()
    publisher.publish(outputs)
    publisher.close()
    log.close()


def verdict_of(client: Client, piece: str) -> Verdict:
    return client.verdict(inspection(piece))


def inspection(piece: str) -> pb.Inspection:
    return pb.Inspection(line=LINE, station=STATION, piece_id=piece)


def entered(piece: str, event_ns: int) -> pb.PieceEvent:
    return pb.PieceEvent(
        inspection=inspection(piece), product="motor", kind=pb.PIECE_EVENT_KIND_ENTERED, event_ns=event_ns
    )


def chunk(piece: str, loudness: float, start_ns: int) -> pb.SignalChunk:
    return pb.SignalChunk(
        line=LINE,
        station=STATION,
        sensor="mic",
        kind=pb.SIGNAL_KIND_AUDIO,
        stream_id=piece,
        start_ns=start_ns,
        samples=Look(loudness=loudness).samples(),
    )


def trace(piece: str, values: np.ndarray, rate_hz: float, sensor: str, kind: pb.SignalKind) -> pb.ProcessTrace:
    samples = pb.Samples(
        format=pb.SAMPLE_FORMAT_F32LE, sample_rate_hz=rate_hz, num_channels=1, data=values.astype("<f4").tobytes()
    )
    start_ns = time.time_ns() - round(len(values) / rate_hz * 1e9)
    return pb.ProcessTrace(inspection=inspection(piece), sensor=sensor, kind=kind, start_ns=start_ns, samples=samples)


def test_a_line_of_one_microphone_judges_pieces_that_events_open(tmp_path: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "toy", Toy(only="mic", signal=SIGNAL))
    port = init(bundle, tmp_path / "line")
    assert "[[cameras]]" not in (tmp_path / "line/recipe.toml").read_text()
    assert "opened by an event" in run("check", tmp_path / "line/service.toml")
    with serving(tmp_path / "line", port) as client:
        now_ns = time.time_ns()
        publish(tmp_path / "line", [entered("good", now_ns), chunk("good", 0.0, now_ns)])
        later_ns = now_ns + 200_000_000  # windows of two pieces must not overlap
        publish(tmp_path / "line", [entered("bad", later_ns), chunk("bad", 1.0, later_ns)])
        publish(tmp_path / "line", [entered("silent", now_ns + 500_000_000)])
        wait_for(lambda: _known(client, ("good", "bad", "silent")), 120, "three verdicts")
        assert verdict_of(client, "good").decision == Decision.DECISION_PASS
        assert verdict_of(client, "bad").decision == Decision.DECISION_FAIL
        silent = verdict_of(client, "silent")
        assert (silent.decision, silent.reason) == (
            Decision.DECISION_REVIEW,
            DecisionReason.DECISION_REASON_MISSING_MODALITY,
        )
        known = run("feedback", "--address", f"127.0.0.1:{port}", LINE, STATION, "bad", "nok", "--defect", "ratle")
        assert "recorded: line-1/st-1/bad is nok (ratle)" in known
        assert "'ratle' is no class of bundle toy; did you mean 'rattle'?" in known
        words = ("feedback", "--address", f"127.0.0.1:{port}", LINE, STATION, "NOPIECE", "ok")
        strange = CliRunner().invoke(main, list(words))
        assert strange.exit_code == 1
        assert "no verdict of line-1/st-1/NOPIECE" in strange.output


def test_a_line_of_one_camera_judges_its_frames(tmp_path: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "toy", Toy(only="top"))
    port = init(bundle, tmp_path / "line")
    assert "[[sensors]]" not in (tmp_path / "line/recipe.toml").read_text()
    with serving(tmp_path / "line", port) as client:
        for piece, brightness in (("good", 0.25), ("bad", 0.9)):
            frame = Look(grey=brightness).frame(time.time_ns())
            frame.inspection.CopyFrom(inspection(piece))
            publish(tmp_path / "line", [frame])
        wait_for(lambda: _known(client, ("good", "bad")), 120, "two verdicts")
        assert verdict_of(client, "good").decision == Decision.DECISION_PASS
        assert verdict_of(client, "bad").decision == Decision.DECISION_FAIL


@pytest.mark.parametrize("only", ["mic", "top"])
def test_python_judges_pieces_of_one_kind(tmp_path: Path, only: str) -> None:
    inspector = Inspector.from_pretrained(write_toy_bundle(tmp_path / "toy", Toy(only=only, signal=SIGNAL)))
    images, signals = {"top": grey(0.25)}, {"mic": (hum(0.0, NUM_SAMPLES), RATE_HZ)}
    whole = inspector.inspect(images if only == "top" else None, signals if only == "mic" else None)
    assert whole.decision == "PASS"
    assert inspector.inspect().decision == "REVIEW"


def _known(client: Client, pieces: Sequence[str]) -> bool:
    try:
        return all(verdict_of(client, piece).decision for piece in pieces)
    except ClientError:
        return False


@pytest.mark.train
@pytest.mark.timeout(1800)
def test_traces_without_an_event_are_judged_from_training_to_verdict(tmp_path: Path) -> None:
    """A leak test: one pressure curve for each piece, which carries the piece's id."""
    manifest = write_leak_tests(tmp_path / "data")
    (tmp_path / "train.toml").write_text(CONFIG)
    run("train", manifest, "--out", tmp_path / "bundle", "--config", tmp_path / "train.toml")
    run("evaluate", tmp_path / "bundle", manifest, "--pieces", tmp_path / "pieces.json")
    port = init(tmp_path / "bundle", tmp_path / "line")
    rng = np.random.default_rng(9)
    with serving(tmp_path / "line", port) as client:
        for piece, leaks in (("tight", False), ("leak", True)):
            values = curve(rng, leaks)
            publish(tmp_path / "line", [trace(piece, values, RATE, "pressure", pb.SIGNAL_KIND_TRACE)])
        broken = trace("broken", curve(rng, False), 2 * RATE, "pressure", pb.SIGNAL_KIND_TRACE)
        publish(tmp_path / "line", [broken])
        wait_for(lambda: _known(client, ("tight", "leak", "broken")), 120, "three verdicts")
        assert verdict_of(client, "tight").decision == Decision.DECISION_PASS
        assert verdict_of(client, "leak").decision == Decision.DECISION_FAIL
        assert verdict_of(client, "broken").decision == Decision.DECISION_REVIEW
        run("replay", manifest, "--config", tmp_path / "line/service.toml", "--split", "test")
        wait_for(lambda: _replayed(client, manifest), 120, "the verdicts of the test pieces")


def _replayed(client: Client, manifest: Path) -> bool:
    try:
        for row in read_manifest(manifest, "test"):
            client.verdict(pb.Inspection(line=LINE, station="station-1", piece_id=row.piece_id))
    except ClientError:
        return False
    return True
