"""Table: what fusion and routing are worth on lines with few independent recordings.

Every draw is trained by the plain command and kept, so that a run that was cut off continues.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from fusion.scored import Scored
from inspector.bundle.load import load
from inspector.recipe.decision import DecisionResult
from inspector.statistics.classification import area_under_curve
from inspector.training.config import TrainConfig
from protos.inspection.v1 import verdict_pb2 as pb
from tests.benchmarks.evidence.accuracy import FUSED, HALF, NOISY_OR, ROUTED, accuracy, judged
from tests.benchmarks.evidence.as_routed import as_routed
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.keeping import read_scored
from tests.benchmarks.evidence.simple_peer import BACKBONE, peer_scores
from tests.benchmarks.evidence.small_draws import DRAWS, Draw, draws, write_draw
from tests.benchmarks.evidence.table import Table
from tests.benchmarks.evidence.workshop import NUM_PROCESSES, train_and_examine

PEER = "simple peer"
COLUMNS = ("set", "groups", "difference", "draws", "mean", "median", "worst decile", "draws below -.01")
DIFFERENCES: Mapping[str, tuple[str, str]] = {
    "fused - noisy-or": (FUSED, NOISY_OR),
    "routed - all experts": (ROUTED, FUSED),
    "fused - simple peer": (FUSED, PEER),
}


@dataclass(frozen=True)
class Result:
    """One draw: AUC and accuracy of every kind of score, and what was chosen."""

    draw: Draw
    auc: Mapping[str, float]
    accuracy: Mapping[str, float]
    false_rejects: float
    """Share of good test pieces that fail, as shipped."""
    promised: float
    head_steps: int
    policy: str

    def difference(self, first: str, second: str) -> tuple[float, float]:
        return self.auc[first] - self.auc[second], self.accuracy[first] - self.accuracy[second]


def run(bench: Bench) -> Table:
    folder = bench.folder / "small"
    waiting = [draw for draw in draws(bench.sets(), bench.seeds) if not (folder / f"{draw.key}.json").exists()]
    with ProcessPoolExecutor(NUM_PROCESSES, get_context("spawn")) as pool:
        futures = [pool.submit(_measure, bench, draw, folder) for draw in waiting]
        for done, future in enumerate(as_completed(futures), 1):
            print(f"small: {done}/{len(futures)} {future.result()}", flush=True)
    results = [read_result(folder / f"{draw.key}.json") for draw in draws(bench.sets(), bench.seeds)]
    return table(results)


def _measure(bench: Bench, draw: Draw, folder: Path) -> str:
    work = folder / draw.key
    manifest = write_draw(draw, bench.manifest(draw.name, draw.seed), work / "data")
    train_and_examine(manifest, TrainConfig(name=draw.name), bench.weights, work)
    calibration, test = (read_scored(work / f"{part}.npz") for part in ("calibration", "test"))
    trained = Trained(draw.name, draw.seed, manifest, work / "bundle", work / "checkpoint", calibration, test)
    result = _result(draw, trained, bench.weights.get(BACKBONE))
    write_result(folder / f"{draw.key}.json", result)
    shutil.copy(work / "findings.txt", folder / f"{draw.key}.txt")
    shutil.rmtree(work)
    return f"{draw.key}: fused {result.auc[FUSED]:.3f}, noisy-or {result.auc[NOISY_OR]:.3f}"


def _result(draw: Draw, trained: Trained, weights: Path | None) -> Result:
    kinds = judged(trained)
    scores, labels = peer_scores(trained.manifest, weights)
    schema = load(trained.bundle).schema
    rulings = as_routed(schema, trained.test).rulings(frozenset(modality.name for modality in schema.modalities))
    return Result(
        draw,
        {kind: scores.auc() for kind, scores in kinds.items()} | {PEER: area_under_curve(scores, labels)},
        {kind: scores.accuracy() for kind, scores in kinds.items()} | {PEER: accuracy(scores, labels, HALF)},
        _failed(rulings, trained.test),
        TrainConfig().acceptance.false_reject_rate,
        int(schema.provenance.get("head_steps", 0)),
        schema.policy.mode,
    )


def _failed(rulings: Sequence[DecisionResult], test: Scored) -> float:
    fails = np.array([ruling.decision == pb.DECISION_FAIL for ruling in rulings])
    return float(fails[~test.labels].mean())


def write_result(path: Path, result: Result) -> None:
    """Written, then renamed: a run that is cut off leaves no half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(result)) + "\n", encoding="utf-8")
    part.replace(path)


def read_result(path: Path) -> Result:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**content, "draw": Draw(**content["draw"])})


def table(results: Sequence[Result]) -> Table:
    names = list(dict.fromkeys(result.draw.name for result in results))
    rows = []
    for name in [*names, "all"]:
        for share in [*DRAWS, None]:
            chosen = [
                result for result in results if name in ("all", result.draw.name) and share in (None, result.draw.share)
            ]
            if chosen and (name == "all") == (share is None):
                rows += _rows(name, "all" if share is None else f"{share:.0%}", chosen)
    return Table(
        name="small",
        title="Lines with few independent recordings",
        question="Lines with 25 to 100 % of the independent groups of training and calibration, tested on the whole "
        "test split: AUC, then accuracy. Goal over all draws: fused - noisy-or with a mean of at least 0 and a worst "
        "decile of at least -.01 AUC; routed - all experts with a worst decile of at least -.01 AUC and -.01 accuracy "
        "where a router ships; fused above the simple peer in the mean at every size.",
        columns=COLUMNS,
        rows=rows,
        notes=[*_false_rejects(results), *_chosen(results)],
    )


def _rows(name: str, share: str, results: Sequence[Result]) -> list[list[str]]:
    rows = []
    for title, (first, second) in DIFFERENCES.items():
        used = [r for r in results if first != ROUTED or r.policy != "dense"]
        if used:
            pairs = np.array([result.difference(first, second) for result in used])
            below = f"{int((pairs[:, 0] < -0.01).sum())} of {len(pairs)}"
            figures = [_both(np.mean, pairs), _both(np.median, pairs), _both(_worst_decile, pairs)]
            rows.append([name, share, title, str(len(pairs)), *figures, below])
    return rows


def _both(figure: Callable[[Any], Any], pairs: Any) -> str:
    return " / ".join(f"{float(figure(column)):+.3f}" for column in pairs.T)


def _worst_decile(values: Any) -> float:
    return float(np.quantile(values, 0.1))


def _false_rejects(results: Sequence[Result]) -> list[str]:
    over = sum(result.false_rejects > result.promised for result in results)
    mean = float(np.mean([result.false_rejects - result.promised for result in results]))
    return [
        f"False rejects as shipped, observed minus promised: mean {mean:+.3f}; above the promise in {over} of "
        f"{len(results)} draws."
    ]


def _chosen(results: Sequence[Result]) -> list[str]:
    moved = sum(result.head_steps > 0 for result in results)
    policies = {kind: sum(result.policy == kind for result in results) for kind in {r.policy for r in results}}
    shown = ", ".join(f"{kind} {count}" for kind, count in sorted(policies.items()))
    return [f"Chosen: a fitted head in {moved} of {len(results)} draws; policies: {shown}."]
