"""Measures how often sources of the open sets are implausible, intact and with injected faults, and which pieces pass.

    BENCH_MAKER=make_benchmarks.py BENCH_WEIGHTS=... python -m tests.benchmarks.plausibility [--folder DIR] [--seed 7]

Trains a bundle per set where the folder has none. Limits come from the training split, everything here from the
test split; two tables go to stdout. False alarms are counted on splits of three seeds, faults on that of the first.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from inspector.bundle.load import load
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import observe
from inspector.inference.examination import Examination
from inspector.inference.model import Model, open_model
from inspector.judging.routing import route
from inspector.recipe.strict_recipe import strict_recipe
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation
from tests.benchmarks.evidence.workshop import Workshop
from tests.benchmarks.false_alarms import HEADER, alarms, doubted
from tests.benchmarks.source_faults import CLIP_FAULTS, FROZEN, IMAGE_FAULTS, NOTHING_PASSES, OF_PIECE_BEFORE, spoiled

ROOT = Path(__file__).resolve().parents[2]
NUM_FAULTY = 1000
BATCH = 200


@dataclass(frozen=True)
class Counted:
    """Of one fault of one modality."""

    caught: float
    passed: float
    num: int


def main() -> None:
    arguments = _arguments()
    workshop = Workshop(arguments.folder, (arguments.seed,), _weights(), arguments.maker)
    jobs = [("the demo's line", ROOT / "deploy/bundles/demo", [arguments.line])] if arguments.line else []
    for name in arguments.only or workshop.sets():
        trained = workshop.trained(name, arguments.seed)
        more = [workshop.manifest(name, arguments.seed + number) for number in range(1, arguments.splits)]
        jobs.append((name, trained.bundle, [trained.manifest, *more]))
    print(HEADER)
    benches = []
    for name, bundle, manifests in jobs:
        bench = Bench(name, bundle, manifests[0])
        benches.append(bench)
        for line in alarms(name, bench.model.schema, manifests):
            print(line, flush=True)
    print("\n| set | source | fault | pieces | source implausible | good pieces that pass | the same without fault |")
    print("|---|---|---|---|---|---|---|")
    for bench in benches:
        for line in bench.faults():
            print(line, flush=True)


class Bench:
    """One set with its bundle; everything is counted on the test split."""

    def __init__(self, name: str, bundle: Path, manifest: Path) -> None:
        self.name, self.root = name, manifest.parent
        self.model: Model = open_model(load(bundle), EngineSettings("onnx", threads=1))
        self.rows = read_manifest(manifest, "test")

    def faults(self) -> Iterator[str]:
        """In good pieces of the test split; again and again, until there are a thousand, where nothing may pass."""
        good = [observe(self.root, row) for row in self.rows if row.label == "ok"]
        whole = self._decide(good)
        for modality in self.model.schema.modalities:
            for fault in [*(IMAGE_FAULTS if modality.kind == "image" else CLIP_FAULTS), OF_PIECE_BEFORE, FROZEN]:
                num = NUM_FAULTY if fault in NOTHING_PASSES else len(good)
                counted = self._counted(_faulty(good, num, modality.name, fault), modality.name)
                yield (
                    f"| {self.name} | {modality.name} | {fault} | {counted.num} | {counted.caught:.1%} "
                    f"| {counted.passed:.1%}{' (goal 0)' if fault in NOTHING_PASSES else ''} | {whole:.1%} |"
                )

    def _counted(self, pieces: Sequence[Observation], modality: str) -> Counted:
        caught = sum(doubted(self.model.schema, pieces, modality))
        return Counted(caught / len(pieces), self._decide(pieces), len(pieces))

    def _decide(self, pieces: Sequence[Observation]) -> float:
        """Share that passes, as on a line that demands every modality."""
        recipe, passed = strict_recipe(self.model.schema, self.model.bundle.folder), 0
        for start in range(0, len(pieces), BATCH):
            batch = pieces[start : start + BATCH]
            findings = route(Examination(self.model, batch, max_batch=16), [recipe] * len(batch))
            passed += sum(finding.ruling.decision == pb.DECISION_PASS for finding in findings)
        return passed / len(pieces)


def _faulty(good: Sequence[Observation], num: int, source: str, fault: str) -> list[Observation]:
    pieces, rng = list(islice(cycle(good), num)), np.random.default_rng(7)
    return [spoiled(piece, pieces[place - 1], source, fault, rng) for place, piece in enumerate(pieces)]


def _weights() -> dict[str, Path]:
    pairs = (pair.split("=", 1) for pair in os.environ.get("BENCH_WEIGHTS", "").split())
    return {name: Path(file).resolve() for name, file in pairs}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    maker = os.environ.get("BENCH_MAKER")
    parser.add_argument("--folder", type=Path, default=Path("run/bench"), help="data and bundles, as of `make bench`")
    parser.add_argument("--maker", type=Path, default=Path(maker) if maker else None, help="or BENCH_MAKER")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", action="append", help="a set; else all")
    parser.add_argument("--splits", type=int, default=3, help="seeds, from this one on, whose false alarms are counted")
    parser.add_argument("--line", type=Path, help="manifest that the demo's bundle was trained on: see deploy/demo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
