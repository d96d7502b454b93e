"""Figures of policies and static sets on test splits: recall, false rejects, and the CPU that they save."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.bundle.schema import Policy
from inspector.statistics.bootstrap import Interval, mean_by_units
from inspector.training.routing.frontier import recall
from tests.benchmarks.evidence.cpu_clock import Measured


@dataclass(frozen=True, eq=False)
class Run:
    """One policy or static set on a test split; its limit comes from the pieces used to choose it."""

    above: Labels
    cost_ms: Scores


@dataclass(frozen=True, eq=False)
class Judged:
    """The shipped policy of one training and its alternatives, on the test split."""

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
    oracles: tuple[Scores, Scores, Scores]
    """Cost in ms per piece of an oracle: at the decisions of all experts, the same after a first look, and with no
    piece ranked worse."""
    reason: str
    """Why training chose the policy."""


def recall_of(judged: Judged, run: Run) -> float:
    return recall(run.above.astype(np.float64), judged.labels, 0.5)


class CpuSum:
    """Measurements summed over all seeds."""

    def __init__(self, judged: Sequence[Judged]) -> None:
        measured = [one.measured for one in judged]
        self.pieces = sum(one.pieces for one in measured)
        self.dense_s, self.routed_s = sum(one.dense_s for one in measured), sum(one.routed_s for one in measured)
        self.ideal_s = sum(one.ideal_s for one in measured)
        self.router_s = sum(one.router_s for one in measured)
        self.around_s = sum(one.decode_s + one.dense_prepare_s for one in measured)
        self.saves = self.ideal_s > 1e-6 * self.dense_s
        self.realised = (self.dense_s - self.routed_s) / self.ideal_s if self.saves else float("nan")
        whole_s = sum(one.decode_s + one.dense_whole_s for one in measured)
        self.end_to_end = 1 - sum(one.decode_s + one.routed_whole_s for one in measured) / whole_s


def lost(judged: Sequence[Judged], against: Sequence[Run]) -> Interval:
    """Recall of another run less that of the shipped policy, piece by piece."""
    values = [
        other.above[seed.labels].astype(float) - seed.shipped.above[seed.labels]
        for seed, other in zip(judged, against, strict=True)
    ]
    units = [unit for seed in judged for unit, bad in zip(seed.units, seed.labels, strict=True) if bad]
    return mean_by_units(np.concatenate(values), units, seed=0)


def saved(judged: Sequence[Judged], against: Sequence[Run]) -> Interval:
    """Share of the mean cost of another run, seed by seed, that the shipped policy does not spend."""
    values = [1 - seed.shipped.cost_ms / other.cost_ms.mean() for seed, other in zip(judged, against, strict=True)]
    return mean_by_units(np.concatenate(values), [unit for seed in judged for unit in seed.units], seed=0)


def oracle_savings(judged: Sequence[Judged]) -> list[float]:
    """Shares that the oracles save against all experts."""
    return [
        fmean(float(1 - seed.oracles[kind].mean() / seed.dense.cost_ms.mean()) for seed in judged) for kind in range(3)
    ]


def false_rejects(run: Run, judged: Judged) -> float:
    return float(run.above[~judged.labels].mean())
