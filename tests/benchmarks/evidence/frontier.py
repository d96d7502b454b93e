"""Table: what routing saves, against all experts and against the cheapest static set, on every set and seed."""

from collections.abc import Sequence
from itertools import chain
from statistics import fmean

import numpy as np

from fusion.calibration import Scores
from fusion.scored import ExpertSet
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Policy
from inspector.training.routing.frontier import FALSE_REJECT_RATE, Point, cheapest_good, limit, static_points
from inspector.training.routing.sweeps import Candidate, RoutingData, initial_choices, learned_sweep, make_routing_data
from tests.benchmarks.evidence.as_routed import calibrations_of
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.cpu_clock import measure
from tests.benchmarks.evidence.frontier_runs import (
    CpuSum,
    Judged,
    Run,
    false_rejects,
    lost,
    oracle_savings,
    recall_of,
    saved,
)
from tests.benchmarks.evidence.oracle import after_a_first_look, same_decisions, same_ranking
from tests.benchmarks.evidence.table import Line, Plot, Table

HARD = "rare_hard"
"""The scenario of the simulated line on which routing must beat every static set."""
GOAL = 0.465
COLUMNS = (
    "set",
    "shipped",
    "recall",
    "recall, all experts",
    "recall lost",
    "false rejects (all experts)",
    "(i) saved against all experts",
    "an oracle saves: same decisions, after a first look, no piece ranked worse",
    "realised / ideal",
    "router, share of CPU",
    "decode + resize, ms per piece",
    "experts, ms per piece",
    "end to end saved",
    "(ii) saved against the cheapest static set",
)


def run(bench: Bench) -> Table:
    seeds_of_set = dict.fromkeys(bench.sets(), bench.seeds) | {HARD: bench.seeds[:1]}
    trained = {name: [bench.trained(name, seed) for seed in seeds] for name, seeds in seeds_of_set.items()}
    results = {name: [_judge(bundle) for bundle in seeds] for name, seeds in trained.items()}
    return Table(
        name="frontier",
        title="Routing: computing against recall",
        question=(
            "Savings of the shipped policy in the encoders' CPU, (i) against all experts (goal: at least 46.5 % at no "
            f"lost recall) and (ii) against the cheapest static set within 0.5 points of the best (goal on {HARD}: at "
            f"least 30 %), at {FALSE_REJECT_RATE:.0%} false rejects. Only (ii) is a gain of routing."
        ),
        columns=COLUMNS,
        rows=[_row(name, judged) for name, judged in results.items()],
        notes=[*chain.from_iterable(_notes(name, judged) for name, judged in results.items()), *NOTES],
        plots=[_plot(name, judged) for name, judged in results.items()],
        bundle_rows={
            bundle.key: [_row(name, [judged])]
            for name, seeds in trained.items()
            for bundle, judged in zip(seeds, results[name], strict=True)
        },
    )


NOTES = (
    "The oracle knows the cheapest set of each piece that decides as all experts do at their limit: beforehand, or "
    "after a first look by initial experts that are the same for all pieces, as of a router. Or, knowing the label, "
    "that ranks the piece no worse at any limit. Pieces that may pass have every modality examined.",
    "Each limit rejects the stated share of the good pieces used to choose it (train out of fold, and calibration). "
    "False rejects on the test pieces differ from that share; the table lists them by seed.",
    "The limit of a shipped router comes from its routes of the pieces used to fit it; limits of the sweep come from "
    "cross-fitted routes.",
    "Intervals: 95 %, bootstrap over the recordings (for defective pieces, those that carry the defect), pictures and "
    "sounds drawn separately; seeds are pooled, and a recording in several test splits is drawn in all of them.",
    "CPU is the time of the calling thread: ONNX Runtime with one thread, batches of 16 pieces, alternating with all "
    "experts. Realised / ideal compares the saving with the separately measured cost of the expert calls that were "
    "left out or made smaller. (i) and (ii) use the costs stated in the bundle.",
    "End to end counts decoding from files, resizing, experts, head and routing.",
)


def _judge(trained: Trained) -> Judged:
    schema = load(trained.bundle).schema
    calibrations = calibrations_of(schema)
    ground, test = (
        make_routing_data(scored, schema.experts, calibrations) for scored in (trained.calibration, trained.test)
    )
    points = static_points(ground.board)
    statics = {names: _run(test, test.board.able(names), point) for names, point in points.items()}
    best = cheapest_good(points)
    return Judged(
        policy=schema.policy,
        labels=test.scored.labels,
        units=test.scored.units,
        shipped=_run(test, test.routed(schema.policy), _limit(ground, schema.policy)),
        dense=statics[max(points, key=len)],
        best_static=statics[best],
        best_name=points[best].name,
        statics={points[names].name: run for names, run in statics.items()},
        sweep=[_run(test, test.routed(swept.policy), swept.point) for swept in _sweep(ground, schema)],
        measured=measure(trained.bundle, trained.manifest),
        oracles=_oracle_costs(test, points[max(points, key=len)].limit),
        reason=str(schema.provenance.get("routing", "")),
    )


def _limit(ground: RoutingData, policy: Policy) -> float:
    return limit(ground.board.scores(ground.routed(policy)), ground.scored.labels, FALSE_REJECT_RATE)


def _sweep(ground: RoutingData, schema: Bundle) -> list[Candidate]:
    """By the price of computing, after the first look of the shipped router, or else after the scouts."""
    router = schema.policy.router
    looks = [router.first] if router is not None else initial_choices(ground)
    return learned_sweep(ground, looks[0], seed=0) if looks else []


def _run(test: RoutingData, ran: Sequence[ExpertSet], at: Point | float) -> Run:
    scores = np.nan_to_num(test.board.scores(ran), nan=-1.0)
    return Run(scores > (at.limit if isinstance(at, Point) else at), test.board.cost_ms(ran))


def _row(name: str, judged: Sequence[Judged]) -> list[str]:
    cpu = CpuSum(judged)
    return [
        name,
        ", ".join(seed.policy.mode for seed in judged),
        f"{fmean(recall_of(seed, seed.shipped) for seed in judged):.3f}",
        f"{fmean(recall_of(seed, seed.dense) for seed in judged):.3f}",
        str(lost(judged, [seed.dense for seed in judged])),
        " ".join(f"{false_rejects(seed.shipped, seed):.3f} ({false_rejects(seed.dense, seed):.3f})" for seed in judged),
        str(saved(judged, [seed.dense for seed in judged])),
        ", ".join(f"{share:.3f}" for share in oracle_savings(judged)),
        f"{cpu.realised:.3f}" if cpu.saves else "nothing is left out",
        f"{cpu.router_s / cpu.routed_s:.1%}",
        f"{cpu.around_s / cpu.pieces * 1e3:.2f}",
        f"{cpu.dense_s / cpu.pieces * 1e3:.2f} to {cpu.routed_s / cpu.pieces * 1e3:.2f}",
        f"{cpu.end_to_end:.3f}",
        str(saved(judged, [seed.best_static for seed in judged])),
    ]


def _oracle_costs(test: RoutingData, dense_limit: float) -> tuple[Scores, Scores, Scores]:
    return same_decisions(test, dense_limit), after_a_first_look(test, dense_limit), same_ranking(test)


def _notes(name: str, judged: Sequence[Judged]) -> list[str]:
    beaten = ", ".join(dict.fromkeys(seed.best_name for seed in judged))
    dense, static = [seed.dense for seed in judged], [seed.best_static for seed in judged]
    gain, loss, behind = saved(judged, static), lost(judged, dense), lost(judged, static)
    gains = gain.low > 0.001 and behind.low <= 0
    result = f"routing gains {gain.mean:.0%}" if gains else f"no gain of routing is shown ({gain.mean:+.0%})"
    all_saved = saved(judged, dense).mean
    kept = "" if loss.mean <= 0 else " as far as the interval tells"
    verdict = f"reached{kept}" if all_saved >= GOAL and loss.low <= 0 else "missed"
    decisions, looking, ranking = oracle_savings(judged)
    return [
        f"{name}: (i) {all_saved:.1%} saved, recall lost {loss}: goal {verdict} (an oracle saves {decisions:.1%} at "
        f"the same decisions, {looking:.1%} if it looks first, {ranking:.1%} with no piece ranked worse); "
        f"(ii) against {beaten}: {result}, recall lost against it {behind}.",
        *(f"{name}: {reason}" for reason in _reasons(judged)),
    ]


def _reasons(judged: Sequence[Judged]) -> dict[str, None]:
    """Why the same experts run on every piece, where they do."""
    return dict.fromkeys(seed.reason for seed in judged if seed.policy.mode in ("dense", "static") and seed.reason)


def _plot(name: str, judged: Sequence[Judged]) -> Plot:
    """Means over the seeds; the sweep by rank of its price."""
    statics = dict.fromkeys(label for seed in judged for label in seed.statics)
    points = [[(seed, seed.statics[label]) for seed in judged if label in seed.statics] for label in statics]
    swept = [seed for seed in judged if seed.sweep]
    prices = [[(seed, seed.sweep[index]) for seed in swept] for index in range(min(map(_prices, swept), default=0))]
    return Plot(
        name=f"frontier_{name}",
        title=f"{name}: recall at {FALSE_REJECT_RATE:.0%} false rejects against computing",
        x_label="CPU of the encoders, ms per piece",
        y_label="recall",
        lines=[
            _line("static sets", points, joined=False),
            _line("learned router, by price", prices, joined=True),
            _line("shipped", [[(seed, seed.shipped) for seed in judged]], joined=False),
        ],
    )


def _prices(judged: Judged) -> int:
    return len(judged.sweep)


def _line(name: str, points: Sequence[Sequence[tuple[Judged, Run]]], joined: bool) -> Line:
    means = sorted(
        (fmean(float(run.cost_ms.mean()) for _, run in point), fmean(recall_of(seed, run) for seed, run in point))
        for point in points
    )
    return Line(name, [cost_ms for cost_ms, _ in means], [recall for _, recall in means], joined)
