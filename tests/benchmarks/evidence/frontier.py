"""Table: what routing saves, against all experts and against the cheapest static set, on every set and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

import numpy as np

from fusion.calibration import Labels, Scores
from fusion.scored import ExpertSet
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Policy
from inspector.statistics.bootstrap import Interval, mean_by_units
from inspector.training.routing.frontier import FALSE_REJECT_RATE, Point, cheapest_good, limit, recall, static_points
from inspector.training.routing.policy import Candidate, RoutingData, initial_choices, learned_sweep, make_routing_data
from tests.benchmarks.evidence.as_routed import calibrations_of
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.cpu_clock import Measured, measure
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
    "realised / ideal",
    "router, share of CPU",
    "decode + resize, ms per piece",
    "experts, ms per piece",
    "end to end saved",
    "(ii) saved against the cheapest static set",
)


@dataclass(frozen=True, eq=False)
class Run:
    """One policy or static set on a test split, its limit from the pieces that it was chosen on."""

    above: Labels
    cost_ms: Scores


@dataclass(frozen=True, eq=False)
class Judged:
    """What one training shipped, on its test split."""

    policy: Policy
    labels: Labels
    units: tuple[frozenset[str], ...]
    shipped: Run
    dense: Run
    best_static: Run
    best_name: str
    statics: Mapping[str, Run]
    sweep: Sequence[Run]
    measured: Measured


def run(bench: Bench) -> Table:
    asked = dict.fromkeys(bench.sets(), bench.seeds) | {HARD: bench.seeds[:1]}
    trained = {name: [bench.trained(name, seed) for seed in seeds] for name, seeds in asked.items()}
    found = {name: [_judge(own) for own in seeds] for name, seeds in trained.items()}
    return Table(
        name="frontier",
        title="Routing: computing against recall",
        asked=(
            "What the shipped policy saves of the encoders' CPU, (i) against all experts (goal: at least 46.5 % at no "
            f"lost recall) and (ii) against the cheapest static set within 0.5 points of the best (goal on {HARD}: at "
            f"least 30 %), at {FALSE_REJECT_RATE:.0%} false rejects. Only (ii) is a gain of routing."
        ),
        columns=COLUMNS,
        rows=[_row(name, judged) for name, judged in found.items()],
        notes=[*chain.from_iterable(_notes(name, judged) for name, judged in found.items()), *NOTES],
        plots=[_plot(name, judged) for name, judged in found.items()],
        own={
            own.key: [_row(name, [judged])]
            for name, seeds in trained.items()
            for own, judged in zip(seeds, found[name], strict=True)
        },
    )


NOTES = (
    "Every limit is the one that rejects the stated share of the good pieces that it was chosen on (train out of fold, "
    "and calibration), so false rejects on the test pieces differ from it; they stand there by seed.",
    "A shipped router's limit comes from its own routes of the pieces that it was fitted on, those of the sweep from "
    "cross-fitted routes.",
    "Intervals: 95 %, bootstrap over the recordings (of defective pieces, those that carry the defect), pictures and "
    "sounds drawn apart; seeds pooled, a recording of several test splits drawn in all of them.",
    "CPU is that of the calling thread, ONNX Runtime with one thread, batches of 16 pieces, in turns with all experts; "
    "realised / ideal compares what was saved with what the experts' calls that were left out or made smaller cost by "
    "themselves. (i) and (ii) go by the costs that a bundle states.",
    "End to end counts decoding from files, resizing, experts, head and routing.",
)


def _judge(trained: Trained) -> Judged:
    schema = load(trained.bundle).schema
    calibrations = calibrations_of(schema)
    ground, test = (
        make_routing_data(scored, schema.experts, calibrations) for scored in (trained.calibration, trained.test)
    )
    points = static_points(ground.board)
    statics = {names: _run(test, test.board.able(names), own) for names, own in points.items()}
    best = cheapest_good(points)
    return Judged(
        policy=schema.policy,
        labels=test.scored.labels,
        units=test.scored.units,
        shipped=_run(test, test.routed(schema.policy), _limit(ground, schema.policy)),
        dense=statics[max(points, key=len)],
        best_static=statics[best],
        best_name=points[best].name,
        statics={points[names].name: own for names, own in statics.items()},
        sweep=[_run(test, test.routed(own.policy), own.point) for own in _sweep(ground, schema)],
        measured=measure(trained.bundle, trained.manifest),
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


def _recall(judged: Judged, own: Run) -> float:
    return recall(own.above.astype(np.float64), judged.labels, 0.5)


def _row(name: str, judged: Sequence[Judged]) -> list[str]:
    cpu = _Sum(judged)
    return [
        name,
        ", ".join(own.policy.mode for own in judged),
        f"{fmean(_recall(own, own.shipped) for own in judged):.3f}",
        f"{fmean(_recall(own, own.dense) for own in judged):.3f}",
        str(lost(judged, [own.dense for own in judged])),
        " ".join(f"{_false_rejects(own.shipped, own):.3f} ({_false_rejects(own.dense, own):.3f})" for own in judged),
        str(saved(judged, [own.dense for own in judged])),
        f"{cpu.realised:.3f}" if cpu.saves else "nothing is left out",
        f"{cpu.router_s / cpu.routed_s:.1%}",
        f"{cpu.around_s / cpu.pieces * 1e3:.2f}",
        f"{cpu.dense_s / cpu.pieces * 1e3:.2f} to {cpu.routed_s / cpu.pieces * 1e3:.2f}",
        f"{cpu.end_to_end:.3f}",
        str(saved(judged, [own.best_static for own in judged])),
    ]


class _Sum:
    """The measurements of all seeds together."""

    def __init__(self, judged: Sequence[Judged]) -> None:
        own = [one.measured for one in judged]
        self.pieces = sum(one.pieces for one in own)
        self.dense_s, self.routed_s = sum(one.dense_s for one in own), sum(one.routed_s for one in own)
        self.ideal_s = sum(one.ideal_s for one in own)
        self.router_s = sum(one.router_s for one in own)
        self.around_s = sum(one.decode_s + one.dense_prepare_s for one in own)
        self.saves = self.ideal_s > 1e-6 * self.dense_s
        self.realised = (self.dense_s - self.routed_s) / self.ideal_s if self.saves else float("nan")
        whole_s = sum(one.decode_s + one.dense_whole_s for one in own)
        self.end_to_end = 1 - sum(one.decode_s + one.routed_whole_s for one in own) / whole_s


def lost(judged: Sequence[Judged], against: Sequence[Run]) -> Interval:
    """Recall of another run less that of the shipped policy, piece by piece."""
    values = [
        other.above[own.labels].astype(float) - own.shipped.above[own.labels]
        for own, other in zip(judged, against, strict=True)
    ]
    units = [found for own in judged for found, bad in zip(own.units, own.labels, strict=True) if bad]
    return mean_by_units(np.concatenate(values), units, seed=0)


def saved(judged: Sequence[Judged], against: Sequence[Run]) -> Interval:
    """Share of the mean cost of another run, seed by seed, that the shipped policy does not spend."""
    values = [1 - own.shipped.cost_ms / other.cost_ms.mean() for own, other in zip(judged, against, strict=True)]
    return mean_by_units(np.concatenate(values), [found for own in judged for found in own.units], seed=0)


def _false_rejects(found: Run, judged: Judged) -> float:
    return float(found.above[~judged.labels].mean())


def _notes(name: str, judged: Sequence[Judged]) -> list[str]:
    beaten = ", ".join(dict.fromkeys(own.best_name for own in judged))
    dense, static = [own.dense for own in judged], [own.best_static for own in judged]
    gain, loss, behind = saved(judged, static), lost(judged, dense), lost(judged, static)
    gains = gain.low > 0.001 and behind.low <= 0
    result = f"routing gains {gain.mean:.0%}" if gains else f"no gain of routing is shown ({gain.mean:+.0%})"
    all_saved = saved(judged, dense).mean
    kept = "" if loss.mean <= 0 else " as far as the interval tells"
    verdict = f"reached{kept}" if all_saved >= GOAL and loss.low <= 0 else "missed"
    return [
        f"{name}: (i) {all_saved:.1%} saved, recall lost {loss}: goal {verdict}; "
        f"(ii) against {beaten}: {result}, recall lost against it {behind}."
    ]


def _plot(name: str, judged: Sequence[Judged]) -> Plot:
    """Means over the seeds; the sweep by rank of its price."""
    statics = dict.fromkeys(label for own in judged for label in own.statics)
    points = [[(own, own.statics[label]) for own in judged if label in own.statics] for label in statics]
    swept = [own for own in judged if own.sweep]
    prices = [[(own, own.sweep[index]) for own in swept] for index in range(min(map(_prices, swept), default=0))]
    return Plot(
        name=f"frontier_{name}",
        title=f"{name}: recall at {FALSE_REJECT_RATE:.0%} false rejects against computing",
        x_label="CPU of the encoders, ms per piece",
        y_label="recall",
        lines=[
            _line("static sets", points, joined=False),
            _line("learned router, by price", prices, joined=True),
            _line("shipped", [[(own, own.shipped) for own in judged]], joined=False),
        ],
    )


def _prices(judged: Judged) -> int:
    return len(judged.sweep)


def _line(name: str, points: Sequence[Sequence[tuple[Judged, Run]]], joined: bool) -> Line:
    means = sorted(
        (fmean(float(run.cost_ms.mean()) for _, run in point), fmean(_recall(own, run) for own, run in point))
        for point in points
    )
    return Line(name, [cost_ms for cost_ms, _ in means], [found for _, found in means], joined)
