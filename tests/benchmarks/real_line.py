"""Replays recordings through a real broker and compares the verdicts, as a client gets them, with `inspector evaluate`.

    python -m tests.benchmarks.real_line --set wafer --bundle DIR --manifest MANIFEST --rate 12

Evaluation reads files, the service reads Kafka: they must see the same modalities and decide the same, except where a
score lies so close to a threshold that a difference in the last digits tips it.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from inspector.bundle.schema import Bundle
from protos.inspection.v1.verdict_pb2 import MODALITY_STATE_PRESENT, Decision, Verdict
from tests.benchmarks.setting import ROOT, Receipt, Receiver, Setting, broker, inspector, process, service

NEAR = 1e-5
PATIENCE_S = 20.0
TRACE = 'name = "process_sensor"\nkind = "trace"\nsample_rate_hz = 1\nbind = "piece"'
TAP = f'name = "tap_microphone"\nkind = "audio"\nsample_rate_hz = 48000\nend_s = {2048 / 48000!r}'
SENSORS = {
    "wafer": TRACE,
    "tile_tap": TAP,
    "cell_tap": TAP,
    "simulated": 'name = "mic"\nkind = "audio"\nsample_rate_hz = 16000\nend_s = 0.25',
}
"""The sensor of each set; all have one camera, `top`."""


class Expected(TypedDict):
    """A line of `inspector evaluate --pieces`."""

    piece_id: str
    label: str
    decision: str
    score: float | None
    scout_score: float | None
    present: list[str]
    pass_below: float | None
    fail_above: float | None


@dataclass(frozen=True)
class Comparison:
    """Verdicts of the line against results of `inspector evaluate`."""

    pieces: int
    verdicts: int
    doubled: int
    missing: tuple[str, ...]
    tipped: tuple[str, ...]
    """Other decision, with a score within 1e-5 of a threshold."""
    differing: tuple[str, ...]
    """Other decision or other modalities, without such a score."""
    largest_score_difference: float
    accuracy: Mapping[str, float]
    """Share of pieces whose score lies on the right side of one half."""
    decisions: Mapping[str, Mapping[str, int]]
    latency_ms: Mapping[str, float]

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.differing or self.doubled)


def run(
    folder: Path, bootstrap: str, name: str, bundle: Path, manifest: Path, rate: float, pieces: int | None = None
) -> Comparison:
    """Serves, replays the test split, collects and compares."""
    expected = evaluated(bundle, manifest, folder / "pieces.jsonl")[:pieces]
    setting = Setting.create(folder / name.replace("_", "-"), bootstrap, recipe(name, bundle))
    with service(setting), Receiver(setting.address) as receiver:
        arguments = ["replay", str(manifest.resolve()), "--config", str(setting.config), "--split", "test"]
        limit = [] if pieces is None else ["--pieces", str(pieces)]
        with process(inspector(*arguments, "--rate", str(rate), *limit), setting.folder / "replay.log") as replay:
            return compare(expected, collected(receiver, replay, len(expected)), policy_limits(bundle))


def recipe(name: str, bundle: Path) -> str:
    folder = json.dumps(str(bundle.resolve()))
    return (
        f'name = "{name}"\nversion = "1"\nbundle = {folder}\n[[cameras]]\nname = "top"\n[[sensors]]\n{SENSORS[name]}\n'
    )


def evaluated(bundle: Path, manifest: Path, out: Path) -> list[Expected]:
    """Results of the command `inspector evaluate`."""
    command = inspector("evaluate", str(bundle), str(manifest), "--split", "test", "--pieces", str(out))
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [json.loads(line) for line in out.read_text().splitlines()]


def policy_limits(bundle: Path) -> tuple[float, float]:
    """Scout scores at which the policy chooses otherwise."""
    policy = Bundle.model_validate_json((bundle / "bundle.json").read_bytes()).policy
    return policy.low, policy.high


def collected(receiver: Receiver, replay: "subprocess.Popen[str]", num_pieces: int) -> list[Receipt]:
    """Verdicts until all are there, or none has come for a while after the end; and a second more for doubled ones."""
    receipts: list[Receipt] = []
    last_s = time.monotonic()
    while len(receipts) < num_pieces and time.monotonic() - last_s < PATIENCE_S:
        received = receiver.drain()
        receipts += received
        last_s = time.monotonic() if received or replay.poll() is None else last_s
        time.sleep(0.1)
    time.sleep(1.0)
    return receipts + receiver.drain()


def compare(expected: list[Expected], receipts: list[Receipt], limits: tuple[float, float]) -> Comparison:
    verdicts = {verdict.inspection.piece_id: verdict for verdict, _ in receipts}
    both = [(piece, verdicts[piece["piece_id"]]) for piece in expected if piece["piece_id"] in verdicts]
    otherwise = [
        (piece, verdict) for piece, verdict in both if decision_of(verdict) != (piece["decision"], piece["present"])
    ]
    tipped = [piece for piece, verdict in otherwise if is_near(piece, verdict, limits)]
    latency_ms = [(received_ns - verdict.capture_ns) / 1e6 for verdict, received_ns in receipts]
    return Comparison(
        pieces=len(expected),
        verdicts=len(receipts),
        doubled=len(receipts) - len(verdicts),
        missing=tuple(piece["piece_id"] for piece in expected if piece["piece_id"] not in verdicts),
        tipped=tuple(described(piece, verdicts[piece["piece_id"]]) for piece in tipped),
        differing=tuple(described(piece, verdict) for piece, verdict in otherwise if piece not in tipped),
        largest_score_difference=max(
            (abs(piece["score"] - verdict.defect_score) for piece, verdict in both if piece["score"] is not None),
            default=0.0,
        ),
        accuracy={
            "line": accuracy([(piece["label"], verdict.defect_score) for piece, verdict in both]),
            "files": accuracy([(piece["label"], piece["score"]) for piece in expected]),
        },
        decisions={
            "line": counted([decision_of(verdict)[0] for verdict in verdicts.values()]),
            "files": counted([piece["decision"] for piece in expected]),
        },
        latency_ms={f"p{share}": round(float(np.percentile(latency_ms, share)), 1) for share in (50, 95, 99)},
    )


def decision_of(verdict: Verdict) -> tuple[str, list[str]]:
    """Decision and modalities present."""
    present = sorted(modality.name for modality in verdict.modalities if modality.state == MODALITY_STATE_PRESENT)
    return Decision.Name(verdict.decision).removeprefix("DECISION_"), present


def is_near(piece: Expected, verdict: Verdict, limits: tuple[float, float]) -> bool:
    """Whether a score lies so close to a threshold that the last digits may decide; modalities must be equal."""
    scores = [(piece["score"], piece["pass_below"]), (piece["score"], piece["fail_above"])]
    scores += [(verdict.defect_score, verdict.pass_below), (verdict.defect_score, verdict.fail_above)]
    scores += [(piece["scout_score"], limit) for limit in limits]
    close = any(a is not None and b is not None and abs(a - b) <= NEAR for a, b in scores)
    return close and decision_of(verdict)[1] == piece["present"]


def described(piece: Expected, verdict: Verdict) -> str:
    decision, present = decision_of(verdict)
    return (
        f"{piece['piece_id']}: files {piece['decision']} {piece['score']} of {piece['present']}, "
        f"line {decision} {verdict.defect_score} of {present}"
    )


def accuracy(scored: list[tuple[str, float | None]]) -> float:
    return sum((score is not None and score >= 0.5) == (label == "nok") for label, score in scored) / len(scored)


def counted(decisions: list[str]) -> dict[str, int]:
    return {name: decisions.count(name) for name in ("PASS", "FAIL", "REVIEW")}


def table(name: str, comparison: Comparison) -> str:
    accuracy = " | ".join(f"{comparison.accuracy[side]:.4f}" for side in ("line", "files"))
    decisions = " | ".join("/".join(map(str, comparison.decisions[side].values())) for side in ("line", "files"))
    latency = " | ".join(f"{value:.0f}" for value in comparison.latency_ms.values())
    return "\n".join(
        [
            "| set | pieces | verdicts | doubled | accuracy, line | files | P/F/R, line | files | differing | tipped "
            "| largest score difference | p50 ms | p95 ms | p99 ms |",
            "|---" * 14 + "|",
            f"| {name} | {comparison.pieces} | {comparison.verdicts} | {comparison.doubled} | {accuracy} | {decisions} "
            f"| {len(comparison.differing)} | {len(comparison.tipped)} "
            f"| {comparison.largest_score_difference:.1e} | {latency} |",
            *(f"tipped: {line}" for line in comparison.tipped),
            *(f"DIFFERS: {line}" for line in comparison.differing[:20]),
            *(f"MISSING: {line}" for line in comparison.missing[:20]),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="name", choices=tuple(SENSORS), required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=12.0)
    parser.add_argument("--pieces", type=int, help="only the first so many of the split")
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="real-line"))
    folder.mkdir(parents=True, exist_ok=True)
    with broker(folder / "kafka") as (bootstrap, _):
        comparison = run(
            folder, bootstrap, arguments.name, arguments.bundle, arguments.manifest, arguments.rate, arguments.pieces
        )
    print(table(arguments.name, comparison))
    if arguments.folder is None:
        shutil.rmtree(folder)
    return 0 if comparison.agrees else 1


if __name__ == "__main__":
    raise SystemExit(main())
