"""Table: what fusion and routing are worth on lines with few independent recordings.

Every draw is trained by the plain command and kept, so that a run that was cut off continues.
"""

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fusion.calibration import Labels, Scores
from fusion.certificate import independent
from fusion.scored import Scored
from inspector.bundle.load import load
from inspector.statistics.classification import area_under_curve
from inspector.statistics.evidence import Rule
from inspector.training.config import TrainConfig
from protos.inspection.v1 import verdict_pb2 as pb
from tests.benchmarks.evidence.accuracy import FUSED, HALF, accuracy, judged
from tests.benchmarks.evidence.as_routed import Routed, as_routed, calibrations_of
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.keeping import read_scored
from tests.benchmarks.evidence.left_out import own_auc
from tests.benchmarks.evidence.simple_peer import BACKBONE, peer_scores
from tests.benchmarks.evidence.small_draws import Draw, draws, write_draw
from tests.benchmarks.evidence.small_result import Result, keep_only_scores, read_result, write_result
from tests.benchmarks.evidence.small_table import PEER, table
from tests.benchmarks.evidence.table import Table
from tests.benchmarks.evidence.workshop import NUM_PROCESSES, train_and_examine

OTHER_RULE = (
    'The draws of the table above, trained with `rule = "shrinkage"`: what is learned is always taken, but by the '
    "share of its gain that is no chance."
)


def run(bench: Bench) -> Table:
    """By the rule that training uses unless told otherwise."""
    return run_by(bench, TrainConfig().rule, bench.folder / "small")


def run_other_rule(bench: Bench) -> Table:
    """The same draws by the other rule."""
    by_other = run_by(bench, Rule.SHRINKAGE, bench.folder / "small-shrinkage")
    return replace(by_other, name="small_shrinkage", title=f"{by_other.title}, by shrinkage", question=OTHER_RULE)


def run_by(bench: Bench, rule: Rule, folder: Path) -> Table:
    waiting = [draw for draw in draws(bench.sets(), bench.seeds) if not (folder / f"{draw.key}.json").exists()]
    with ProcessPoolExecutor(NUM_PROCESSES, get_context("spawn")) as pool:
        futures = [pool.submit(measure, bench, draw, rule, folder) for draw in waiting]
        for done, future in enumerate(as_completed(futures), 1):
            print(f"small: {done}/{len(futures)} {future.result()}", flush=True)
    results = [read_result(folder / f"{draw.key}.json") for draw in draws(bench.sets(), bench.seeds)]
    return table(results)


def measure(bench: Bench, draw: Draw, rule: Rule, folder: Path) -> str:
    """Trains one draw and writes its figures; its scored pieces stay in a folder beside them."""
    work = folder / draw.key
    manifest = write_draw(draw, bench.manifest(draw.name, draw.seed), work / "data")
    config = TrainConfig(name=draw.name, rule=rule)
    train_and_examine(manifest, config, bench.weights, work)
    calibration, test = (read_scored(work / f"{part}.npz") for part in ("calibration", "test"))
    trained = Trained(draw.name, draw.seed, manifest, work / "bundle", work / "checkpoint", calibration, test)
    peer = peer_scores(trained.manifest, bench.weights.get(BACKBONE))
    result = figures(draw, trained, peer, own_auc(trained, config, bench.weights))
    keep_only_scores(work)
    write_result(folder / f"{draw.key}.json", result)
    return f"{draw.key}: fused {result.auc[FUSED]:.3f}, simple peer {result.auc[PEER]:.3f}"


def figures(
    draw: Draw,
    trained: Trained,
    peer: tuple[Scores, Labels],
    candidate_auc: dict[str, dict[str, float]],
) -> Result:
    kinds = judged(trained)
    scores, labels = peer
    schema = load(trained.bundle).schema
    routed = as_routed(schema, trained.test)
    decisions = _decisions(routed)
    failed, good = np.array([decision == pb.DECISION_FAIL for decision in decisions]), ~trained.test.labels
    counted = _independent_good(trained.test)
    return Result(
        draw=draw,
        auc={kind: scores.auc() for kind, scores in kinds.items()} | {PEER: area_under_curve(scores, labels)},
        accuracy={kind: scores.accuracy() for kind, scores in kinds.items()} | {PEER: accuracy(scores, labels, HALF)},
        false_rejects=float(failed[good].mean()),
        promised=TrainConfig().acceptance.false_reject_rate,
        head_steps=int(schema.provenance.get("head_steps", 0)),
        policy=schema.policy.mode,
        review_share=float(np.mean([decision == pb.DECISION_REVIEW for decision in decisions])),
        good_groups=len(counted),
        failed_groups=int(failed[counted].sum()),
        own_auc=candidate_auc,
        stated=_stated(routed),
    )


def _decisions(routed: Routed) -> list["pb.Decision"]:
    required = frozenset(modality.name for modality in routed.schema.modalities)
    return [ruling.decision for ruling in routed.rulings(required)]


def _stated(routed: Routed) -> float | None:
    """Mean false-reject rate that the limits of the good pieces state; None if those of one do not."""
    calibrations = calibrations_of(routed.schema)
    good = [names for names, bad in zip(routed.ran, routed.scored.labels, strict=True) if names and not bad]
    evidence = [calibrations[names].fail_evidence for names in good]
    rates = [entry.rate for entry in evidence if entry is not None]
    return float(np.mean(rates)) if len(rates) == len(good) else None


def _independent_good(test: Scored) -> list[int]:
    """Good pieces of which no two share a recording."""
    rows = np.flatnonzero(~test.labels)
    chosen = independent([test.piece_ids[row] for row in rows], [test.units[row] for row in rows])
    return [int(rows[index]) for index in chosen]
