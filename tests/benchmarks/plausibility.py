"""Measures how often sources of the open sets are not believed, whole and with faults put in, and what passes.

    BENCH_MAKER=make_benchmarks.py BENCH_WEIGHTS=... python -m tests.benchmarks.plausibility [--folder DIR] [--seed 7]

Trains a bundle per set where the folder has none. Limits come from the training split, everything here from the test
split; one table goes to stdout.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from scipy.stats import beta

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.load import load
from inspector.bundle.schema import ImageInput, Modality, SignalInput
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import observe
from inspector.examination import Examination
from inspector.manifest import PieceRow, read_manifest
from inspector.model import Model, open_model
from inspector.plausibility.limits import Strictness
from inspector.plausibility.sources import Kept, believed, watcher
from inspector.recipe.demanding import demanding_recipe
from inspector.routing import route
from inspector.training.data import own_group, own_label, source_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation, State
from tests.benchmarks.evidence.workshop import Workshop
from tests.benchmarks.source_faults import CLIP_FAULTS, IMAGE_FAULTS, NOTHING_PASSES, spoiled

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
    asked = _arguments()
    workshop = Workshop(asked.folder, (asked.seed,), _weights(), asked.maker)
    jobs = [("the demo's line", ROOT / "deploy/bundles/demo", asked.line)] if asked.line else []
    for name in workshop.sets():
        trained = workshop.trained(name, asked.seed)
        jobs.append((name, trained.bundle, trained.manifest))
    print("| set | source | limits from | good, not believed | of groups | 95 % | defective, not believed | ms |")
    print("|---|---|---|---|---|---|---|---|")
    benches = [Bench(name, bundle, manifest) for name, bundle, manifest in jobs]
    for bench in benches:
        for line in bench.alarms():
            print(line, flush=True)
    print("\n| set | source | fault | pieces | source not believed | good pieces that pass | the same without |")
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

    def alarms(self) -> Iterator[str]:
        for modality in self.model.schema.modalities:
            good, bad = self._recordings(modality, "ok"), self._recordings(modality, "nok")
            states = self._doubted([observe(self.root, row) for row in good], modality.name)
            others = self._doubted([observe(self.root, row) for row in bad], modality.name)
            groups = {own_group(row, modality) for row in good}
            hit = {own_group(row, modality) for row, doubted in zip(good, states, strict=True) if doubted}
            cells = [
                self.name,
                modality.name,
                _words(modality),
                f"{sum(states)} of {len(states)}",
                f"{len(hit)} of {len(groups)}",
                _interval(sum(states), len(states)),
                f"{sum(others)} of {len(others)}",
                f"{self._cost_ms(modality.name):.3f}",
            ]
            yield f"| {' | '.join(cells)} |"

    def _recordings(self, modality: Modality, label: str) -> list[PieceRow]:
        """A row for each recording of its own with this label."""
        found: dict[str, PieceRow] = {}
        for row in self.rows:
            source = source_of(row, modality.name)
            if source is not None and (own_label(row, modality) or row.label) == label:
                found.setdefault(source.path, row)
        return list(found.values())

    def _doubted(self, pieces: Sequence[Observation], modality: str) -> list[bool]:
        marked = believed(self.model.schema, pieces, [{}] * len(pieces), Kept())
        return [(own.views.get(modality) or own.clips[modality]).state is State.IMPLAUSIBLE for own in marked]

    def _cost_ms(self, modality: str) -> float:
        """Of a piece in a batch of 16, beyond preparing what the scout needs anyway."""
        pieces = [observe(self.root, row) for row in self.rows[:16]]
        only: list[dict[str, Strictness]] = [
            dict.fromkeys({*piece.views, *piece.clips} - {modality}, "off") for piece in pieces
        ]
        expert = watcher(self.model.schema.experts, modality)
        form = None if expert is None else expert.input
        checked = _fastest_ms(lambda: believed(self.model.schema, pieces, only, Kept()))
        prepared = _fastest_ms(lambda: [_prepared(piece, modality, form) for piece in pieces])
        return (checked - prepared) / len(pieces)

    def faults(self) -> Iterator[str]:
        """In good pieces of the test split, again and again until there are a thousand."""
        good = [observe(self.root, row) for row in self.rows if row.label == "ok"]
        thousand = list(islice(cycle(good), NUM_FAULTY))
        whole = self._decide(good)
        for modality in self.model.schema.modalities:
            names = [*(IMAGE_FAULTS if modality.kind == "image" else CLIP_FAULTS), "of the piece before"]
            for fault in names:
                rng = np.random.default_rng(7)
                pieces = [
                    spoiled(piece, thousand[place - 1], modality.name, fault, rng)
                    for place, piece in enumerate(thousand)
                ]
                found = self._counted(pieces, modality.name)
                yield (
                    f"| {self.name} | {modality.name} | {fault} | {found.num} | {found.caught:.1%} "
                    f"| {found.passed:.1%}{' (goal 0)' if fault in NOTHING_PASSES else ''} | {whole:.1%} |"
                )

    def _counted(self, pieces: Sequence[Observation], modality: str) -> Counted:
        caught = sum(self._doubted(pieces, modality))
        return Counted(caught / len(pieces), self._decide(pieces), len(pieces))

    def _decide(self, pieces: Sequence[Observation]) -> float:
        """Share that passes, as on a line that demands every modality."""
        recipe, passed = demanding_recipe(self.model), 0
        for start in range(0, len(pieces), BATCH):
            batch = pieces[start : start + BATCH]
            findings = route(Examination(self.model, batch, max_batch=16), [recipe] * len(batch))
            passed += sum(finding.ruling.decision == pb.DECISION_PASS for finding in findings)
        return passed / len(pieces)


def _interval(hits: int, num: int) -> str:
    """Clopper and Pearson's, at 95 %."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, num - hits + 1))
    high = 1.0 if hits == num else float(beta.ppf(0.975, hits + 1, num - hits))
    return f"{low:.2%} to {high:.2%}"


def _prepared(piece: Observation, modality: str, form: ImageInput | SignalInput | None) -> None:
    if isinstance(form, ImageInput):
        prepare_image(piece.views[modality].images[0], form)
    elif form is not None and (samples := piece.clips[modality].samples) is not None:
        prepare_clip(samples, piece.clips[modality].sample_rate_hz, form)


def _fastest_ms(work: Callable[[], object]) -> float:
    """Of thirty runs: what else the machine does counts little."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def _words(modality: Modality) -> str:
    limits = modality.plausibility
    return "none" if limits is None else f"{limits.recordings} of {limits.groups} groups"


def _weights() -> dict[str, Path]:
    words = (word.split("=", 1) for word in os.environ.get("BENCH_WEIGHTS", "").split())
    return {name: Path(file).resolve() for name, file in words}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    maker = os.environ.get("BENCH_MAKER")
    parser.add_argument("--folder", type=Path, default=Path("run/bench"), help="data and bundles, as of `make bench`")
    parser.add_argument("--maker", type=Path, default=Path(maker) if maker else None, help="or BENCH_MAKER")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--line", type=Path, help="manifest that the demo's bundle was trained on: see deploy/demo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
