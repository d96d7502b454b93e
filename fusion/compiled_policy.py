"""Compiles a policy once per bundle, so that routing a batch costs about a microsecond per piece.

Takes the routes of `initial_experts` and `next_experts`: those are the definition, and tests compare both. Letters as
in `fusion.router`.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores, probability
from fusion.policy import (
    LEARNED,
    Expert,
    PartialResult,
    Policy,
    initial_experts,
    runnable,
    with_missing_modalities,
)
from fusion.router import MAX_LOG_ODDS, Router, path_matrix
from fusion.scored import ExpertSet

Key = TypeVar("Key")
Value = TypeVar("Value")
MAX_SITUATIONS = 4096
"""Bounds the memory for bundles with many sensors; the table starts again when it is full."""


class Situation(NamedTuple):
    """What all pieces have in common that brought the same modalities and had the same initial experts."""

    next_sets: tuple[ExpertSet, ...]
    """Per path, the experts that it adds to those that ran."""
    costs_ms: Scores
    """(A,) of the encoders; none for what the pieces lack."""
    closed: Scores
    """(A,) infinite for a path that leaves a present modality unexamined, else 0."""


class CompiledPolicy:
    """A policy with its tables. Threads may share it."""

    def __init__(self, policy: Policy, experts: Sequence[Expert]) -> None:
        self._policy, self._experts = policy, experts
        router = policy.router if policy.mode in LEARNED else None
        self._router = None if router is None else CompiledRouter(router, experts)
        self._initial: dict[frozenset[str], ExpertSet] = {}
        self._situations: dict[tuple[object, ...], Situation] = {}

    @property
    def num_situations(self) -> int:
        """Entries of the table."""
        return len(self._situations)

    def initial_experts(self, present: Collection[str]) -> ExpertSet:
        """The experts that run on a piece first."""
        modalities = frozenset(present)
        chosen = self._initial.get(modalities)
        if chosen is None:
            chosen = _bounded(self._initial)[modalities] = initial_experts(self._policy, self._experts, modalities)
        return chosen

    def next_experts(self, partial_results: Sequence[PartialResult], cost_multiplier: float = 1.0) -> list[ExpertSet]:
        """The experts to run on each piece in addition to those that ran."""
        if not partial_results:
            return []
        situations = [self._situation(partial) for partial in partial_results]
        paths = self._paths(partial_results, situations, cost_multiplier)
        return [situation.next_sets[path] for situation, path in zip(situations, paths, strict=True)]

    def _paths(
        self, partial_results: Sequence[PartialResult], situations: Sequence[Situation], cost_multiplier: float
    ) -> Sequence[int]:
        if self._router is not None:
            price = self._policy.price * (cost_multiplier if self._policy.mode == "budgeted" else 1.0)
            return self._router.paths(partial_results, situations, price)
        if self._policy.mode == "cascade":
            scores = probability(np.array([partial.log_odds for partial in partial_results], np.float64), 1.0, 0.0)
            stops: Labels = (scores < self._policy.low) | (scores > self._policy.high)
            return [int(not stop) for stop in stops.tolist()]
        return [0] * len(partial_results)

    def _situation(self, partial: PartialResult) -> Situation:
        key = (frozenset(partial.present), partial.fails, *partial.logits)
        situation = self._situations.get(key)
        if situation is None:
            situation = _bounded(self._situations)[key] = self._new_situation(partial)
        return situation

    def _new_situation(self, partial: PartialResult) -> Situation:
        able = runnable(self._experts, partial.present)
        if self._router is not None:
            chosen, costs_A, closed_A = self._router.in_situation(partial, able)
        else:
            costs_A = closed_A = np.zeros(0)
            chosen = [frozenset(), able] if self._policy.mode == "cascade" else [self.initial_experts(partial.present)]
        next_sets = [
            with_missing_modalities(self._experts, partial, experts).difference(partial.logits) for experts in chosen
        ]
        return Situation(tuple(next_sets), costs_A, closed_A)


def _bounded(table: dict[Key, Value]) -> dict[Key, Value]:
    if len(table) >= MAX_SITUATIONS:
        table.clear()
    return table


class CompiledRouter:
    """The arrays of a router."""

    def __init__(self, router: Router, experts: Sequence[Expert]) -> None:
        modalities = {expert.name: expert.modality for expert in experts}
        self._modalities = [modalities[name] for name in router.experts]
        self._router, self._matrix = router, path_matrix(router, self._modalities)
        self._first, self._last = router.first, len(router.paths) - 1
        self._path_sets = [frozenset(path) for path in router.paths]
        self._costs_E = np.array(router.costs_ms)
        self._centre = np.array([*router.centre, router.threshold])
        self._scale = np.array([*router.scale, 1.0])
        self._weights_XA, self._bias_A = np.array(router.weights).T, np.array(router.bias)

    def in_situation(self, partial: PartialResult, able: ExpertSet) -> tuple[list[ExpertSet], Scores, Scores]:
        """Per path: its experts, costs, and whether it is closed. See `select_path`."""
        able_E = np.array([modality in partial.present for modality in self._modalities])
        seen_AM = (able_E & self._matrix.runs).astype(np.intp) @ self._matrix.member > 0
        there_M = able_E.astype(np.intp) @ self._matrix.member > 0
        open_A = partial.fails | (seen_AM == there_M).all(1)
        costs_A = (able_E * self._costs_E) @ self._matrix.adds.T
        return [able & path for path in self._path_sets], costs_A, np.where(open_A, 0.0, np.inf)

    def paths(
        self, partial_results: Sequence[PartialResult], situations: Sequence[Situation], price: float
    ) -> Sequence[int]:
        """Per piece, the index of its path. See `select_path`."""
        values_PF = self._values(partial_results)
        columns = (values_PF - self._centre) / self._scale
        columns = np.maximum(np.minimum(columns, MAX_LOG_ODDS), -MAX_LOG_ODDS)
        margins_PA: Scores = np.concatenate((columns, np.abs(columns)), axis=1) @ self._weights_XA + self._bias_A
        costs, closed = _costs(situations)
        totals_PA: Scores = probability(margins_PA, 1.0, 0.0) + price * costs + closed
        chosen: list[int] = totals_PA.argmin(1).tolist()
        if np.isnan(values_PF.sum()):
            for piece in np.flatnonzero(np.isnan(values_PF).any(1)).tolist():
                chosen[piece] = self._last
        return chosen

    def _values(self, partial_results: Sequence[PartialResult]) -> Scores:
        """(P, F + 1) log-odds of the initial experts and of these together; NaN where there are none."""
        first = self._first
        rows = [[*map(partial.logits.get, first), partial.log_odds] for partial in partial_results]
        return np.array(rows, np.float64)


def _costs(situations: Sequence[Situation]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(P, A), or (A,) where all pieces are in one situation, as nearly always."""
    head = situations[0]
    if all(situation is head for situation in situations):
        return head.costs_ms, head.closed
    return np.stack([one.costs_ms for one in situations]), np.stack([one.closed for one in situations])
