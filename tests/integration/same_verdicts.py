"""Has random pieces with losses judged by `evaluate`, by `replay` through a log, and by `Inspect`, and compares.

    python -m tests.integration.same_verdicts --pieces 500 --log embedded
    python -m tests.integration.same_verdicts --pieces 500 --log kafka

Decision, reason and every camera's and sensor's state must be equal, scores within 1e-6. Evaluation, service and
replay are the product's commands; a Kafka broker is started on free ports. Ends with exit code 1 on a difference.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from inspector.client.client import Client
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.dataset.recordings import Recording
from inspector.evaluation.evaluate import state_of
from inspector.recipe.recipes import load_recipe
from inspector.recipe.window import window_samples
from inspector.replay.pieces import LinePiece, ManifestPieces
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.decode.kinds import SENSOR_KINDS
from streams.join.assembly import AssemblySpec, SensorSpec
from tests.benchmarks.setting import ROOT, Receiver, Setting, broker, inspector, service
from tests.integration.lossy_pieces import Lot
from tests.wide_bundle import RECIPE, write_wide_bundle

RATE, STATIONS = 20.0, 10
"""Pieces a second, and so many stations that a sensor is heard between any two pieces."""
TOLERANCE = 1e-6
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Outcome:
    """The compared part of a verdict."""

    decision: str
    reason: str
    states: Mapping[str, str]
    score: float | None

    def differs(self, other: "Outcome") -> bool:
        if (self.decision, self.reason, dict(self.states)) != (other.decision, other.reason, dict(other.states)):
            return True
        if self.score is None or other.score is None:
            return self.score is not other.score
        return abs(self.score - other.score) > TOLERANCE


@dataclass(frozen=True)
class Report:
    log: str
    pieces: int
    line_verdicts: int
    doubled: int
    differences: Mapping[str, Sequence[str]]
    """By way: pieces that are judged differently there than by `evaluate`, and how."""
    largest_score_difference: float
    reasons: Mapping[str, int]
    """Of `evaluate`: that all kinds occur."""
    states: Mapping[str, int]
    seconds: float

    @property
    def agrees(self) -> bool:
        complete = self.line_verdicts == self.pieces and not self.doubled
        return complete and not any(self.differences.values())


def run(folder: Path, log: str, pieces: int, seed: int, bootstrap: str = "") -> Report:
    """Makes the pieces and has them judged in all ways; `bootstrap` is a broker's address where log is `kafka`."""
    start_s = time.monotonic()
    (folder / "set").mkdir(parents=True)
    manifest = Lot(folder / "set", np.random.default_rng(seed)).write(pieces)
    bundle = write_wide_bundle(folder / "bundle")
    setting = Setting.create(
        folder / f"same-{log}", bootstrap, RECIPE.format(bundle=json.dumps(str(bundle))), max_delay_s=2.0
    )
    setting.bear_a_busy_machine()
    expected = evaluated(setting, bundle, manifest)
    with service(setting), Receiver(setting.address) as receiver, Client(setting.address) as client:
        line = replayed(setting, manifest, receiver, len(expected))
        inline = inspected(setting, manifest, client)
    return _report(log, expected, line, inline, time.monotonic() - start_s)


def evaluated(setting: Setting, bundle: Path, manifest: Path) -> dict[str, Outcome]:
    out = setting.folder / "pieces.jsonl"
    options = ("--recipe", str(setting.folder / "recipe.toml"), "--pieces", str(out))
    _call("evaluate", str(bundle), str(manifest), *options)
    rows = map(json.loads, out.read_text().splitlines())
    return {row["piece_id"]: Outcome(row["decision"], row["reason"], row["states"], row["score"]) for row in rows}


def replayed(setting: Setting, manifest: Path, receiver: Receiver, num_pieces: int) -> list[Verdict]:
    """Verdicts until all are there or none has come for a while, and a second more for doubled ones."""
    pace = ("--rate", str(RATE), "--stations", str(STATIONS))
    _call("replay", str(manifest), "--config", str(setting.config), "--split", "test", *pace)
    verdicts: list[Verdict] = []
    last_s = time.monotonic()
    while len(verdicts) < num_pieces and time.monotonic() - last_s < PATIENCE_S:
        received = [verdict for verdict, _ in receiver.drain()]
        verdicts += received
        last_s = time.monotonic() if received else last_s
        time.sleep(0.1)
    time.sleep(1.0)
    return verdicts + [verdict for verdict, _ in receiver.drain()]


def inspected(setting: Setting, manifest: Path, client: Client) -> dict[str, Outcome]:
    rows, spec = read_manifest(manifest, "test"), load_recipe(setting.folder / "recipe.toml").recipe.assembly
    source = ManifestPieces(manifest.parent, rows)
    requests = (request(source.piece(number), row, spec) for number, row in enumerate(rows))
    return {message.inspection.piece_id: outcome_of(client.inspect(message)) for message in requests}


def request(piece: LinePiece, row: PieceRow, spec: AssemblySpec) -> InspectRequest:
    """The piece as a client sends it: no more frames than the recipe takes, recordings cut to the window, and nothing
    for a sensor that recorded nothing."""
    frames = {camera.name: camera.num_frames for camera in spec.cameras}
    return InspectRequest(
        inspection=pb.Inspection(line="line-1", station="asked", piece_id=piece.piece_id),
        product=row.product or "cup",
        frames=[
            pb.CameraFrame(
                camera=shot.camera,
                sequence=shot.sequence,
                pixels=pb.ImagePixels(format=shot.format, data=shot.data),
            )
            for shot in piece.shots
            if shot.sequence < frames[shot.camera]
        ],
        signals=[
            SignalClip(sensor=sensor.name, kind=SENSOR_KINDS[sensor.kind].number, samples=_samples(sensor, recording))
            for sensor in spec.sensors
            if (recording := piece.recordings.get(sensor.name)) is not None and len(recording.samples)
        ],
    )


def _samples(sensor: SensorSpec, recording: Recording) -> pb.Samples:
    samples = recording.samples if sensor.bind == "piece" else recording.samples[: window_samples(sensor)]
    whole = samples.dtype == np.int16
    return pb.Samples(
        format=pb.SAMPLE_FORMAT_S16LE if whole else pb.SAMPLE_FORMAT_F32LE,
        sample_rate_hz=recording.sample_rate_hz,
        num_channels=samples.shape[1],
        data=samples.astype("<i2" if whole else "<f4").tobytes(),
    )


def outcome_of(verdict: Verdict) -> Outcome:
    return Outcome(
        Decision.Name(verdict.decision).removeprefix("DECISION_"),
        DecisionReason.Name(verdict.reason).removeprefix("DECISION_REASON_"),
        {modality.name: state_of(modality) for modality in verdict.modalities},
        verdict.defect_score if verdict.HasField("defect_score") else None,
    )


def _report(
    log: str, expected: Mapping[str, Outcome], line: Sequence[Verdict], inline: Mapping[str, Outcome], seconds: float
) -> Report:
    ways = {"replay": {verdict.inspection.piece_id: outcome_of(verdict) for verdict in line}, "inspect": inline}
    counts = Counter(verdict.inspection.piece_id for verdict in line)
    gaps = [
        abs(result.score - other.score)
        for way in ways.values()
        for name, result in expected.items()
        if (other := way.get(name)) is not None and result.score is not None and other.score is not None
    ]
    return Report(
        log=log,
        pieces=len(expected),
        line_verdicts=len(counts),
        doubled=sum(count > 1 for count in counts.values()),
        differences={
            name: [
                f"{piece}: evaluate {result}, {name} {way.get(piece)}"
                for piece, result in expected.items()
                if (other := way.get(piece)) is None or result.differs(other)
            ]
            for name, way in ways.items()
        },
        largest_score_difference=max(gaps, default=0.0),
        reasons=dict(Counter(f"{result.decision} {result.reason}" for result in expected.values())),
        states=dict(
            Counter(f"{name} {state}" for result in expected.values() for name, state in result.states.items())
        ),
        seconds=round(seconds, 1),
    )


def _call(*arguments: str) -> None:
    done = subprocess.run(inspector(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"inspector {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def _broker(folder: Path, log: str) -> Iterator[str]:
    if log == "embedded":
        yield ""
        return
    with broker(folder) as (bootstrap, _):
        yield bootstrap


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=500)
    parser.add_argument("--log", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--seed", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, _broker(Path(temporary) / "broker", arguments.log) as bootstrap:
        report = run(Path(temporary) / "run", arguments.log, arguments.pieces, arguments.seed, bootstrap)
    print(json.dumps(asdict(report), indent=2))
    return 0 if report.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
