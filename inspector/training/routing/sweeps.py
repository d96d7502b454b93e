"""Candidates for the routing policy: cascades and learned routers, from careful to cheap, cross-fitted.

Each is judged on pieces that share no unit with the pieces that it was fitted on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np

from fusion.calibration import Labels, Scores, probability
from fusion.compiled_policy import CompiledPolicy
from fusion.policy import Expert, opened, routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Policy
from inspector.dataset.splits import unit_folds
from inspector.statistics.evidence import num_independent
from inspector.training.config import Acceptance
from inspector.training.routing.figures import Routed
from inspector.training.routing.frontier import FALSE_REJECT_RATE, Board, Point, limit, name_of, point
from inspector.training.routing.router import best_set, fit_router

Calibrations = Mapping[ExpertSet, Calibration]

NUM_FOLDS = 5
PRICES = tuple(np.geomspace(0.005, 0.7, 12).tolist())
"""Prices of the sweep: regret that running all experts must save."""
RISKS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the routing risk, for the sweep of the cascade."""
MARGINS = (3.0, 2.0, 1.5, 1.0, 0.5)
"""Log-odds by which a cascade without errors is widened, for the sweep: a margin for other pieces."""
MAX_FIRST_SHARE = 0.7
"""Largest share of the total cost for initial experts."""
HALF_WEIGHT = 30
"""Independent defects at which the price of computing counts by half, and more experts run."""


@dataclass(frozen=True)
class RoutingData:
    """Scores, experts and calibrations from which a policy is chosen."""

    board: Board
    experts: tuple[Expert, ...]
    calibrations: Calibrations

    @property
    def scored(self) -> Scored:
        return self.board.scored

    def take(self, index: Labels) -> "RoutingData":
        return RoutingData(Board.of(self.scored.take(index), self.calibrations), self.experts, self.calibrations)

    def routed(self, policy: Policy) -> list[ExpertSet]:
        return routed(policy, self.experts, self.scored, self.calibrations)

    def routed_by(self, policies: Sequence[Policy]) -> list[list[ExpertSet]]:
        """The routes of several policies with the same initial experts."""
        initial, partial_results = opened(policies[0], self.experts, self.scored, self.calibrations)
        added = (CompiledPolicy(policy, self.experts).next_experts(partial_results) for policy in policies)
        return [[ran | more for ran, more in zip(initial, each, strict=True)] for each in added]

    def outcome(self, ran: Sequence[ExpertSet]) -> Routed:
        """Scores and decisions if these experts run on each piece."""
        scores, labels = self.board.scores(ran), self.scored.labels
        calibrations = [self.calibrations.get(names) for names in ran]
        below = np.array([0.0 if entry is None else entry.pass_below for entry in calibrations])
        above = np.array([1.0 if entry is None else entry.fail_above for entry in calibrations])
        return Routed(scores, ~np.where(labels, scores < below, scores > above))

    def with_all(self) -> Routed:
        """All experts."""
        return self.outcome(self.board.able(frozenset(self.scored.experts)))


def make_routing_data(scored: Scored, experts: Sequence[Expert], calibrations: Calibrations) -> RoutingData:
    return RoutingData(Board.of(scored, calibrations), tuple(experts), calibrations)


@dataclass(frozen=True)
class Candidate:
    """A policy fitted on all pieces, and what becomes of these pieces by fits on others."""

    policy: Policy
    point: Point
    ran: Sequence[ExpertSet] = ()
    """Cross-fitted routes."""


def initial_choices(routing_data: RoutingData) -> list[tuple[str, ...]]:
    """Choices of initial experts for a router: the scouts, and each one or two experts of affordable cost.

    Excludes experts that have a recording of at most half of the pieces.
    """
    common = (~np.isnan(routing_data.scored.expert_logits)).mean(1).tolist()
    able = {name for name, share in zip(routing_data.scored.experts, common, strict=True) if share > 0.5}
    order = [expert.name for expert in routing_data.experts if expert.name in able]
    costs = dict(zip(routing_data.scored.experts, routing_data.board.costs_ms.tolist(), strict=True))
    scouts = tuple(expert.name for expert in routing_data.experts if expert.scout and expert.name in able)
    few = chain(combinations(order, 1), combinations(order, 2))
    affordable = MAX_FIRST_SHARE * sum(costs.values())
    chosen = (names for names in (scouts, *few) if names and sum(costs[name] for name in names) <= affordable)
    return list(dict.fromkeys(chosen))


def _crossfit(
    routing_data: RoutingData, seed: int, fit: Callable[[RoutingData], Sequence[Policy]], label: str
) -> Iterator[Candidate]:
    """Cross-fits the policies of one sweep; `fit` returns them in the same order on every call."""
    policies = fit(routing_data)
    ran: list[list[ExpertSet]] = [[frozenset()] * len(routing_data.scored.labels) for _ in policies]
    for learn, judge in unit_folds(routing_data.scored.units, NUM_FOLDS, seed):
        part, held = routing_data.take(learn), routing_data.take(judge)
        can_fit = part.scored.labels.any() and not part.scored.labels.all()
        # Without unrelated pieces to fit on, all experts run: routes fitted on the same pieces would look too good.
        held_by = fit(part) if can_fit else [Policy(mode="dense")] * len(policies)
        for sets, routes in zip(ran, held.routed_by(held_by), strict=True):
            for piece, names in zip(np.flatnonzero(judge).tolist(), routes, strict=True):
                sets[piece] = names
    return (
        Candidate(policy, point(label, routing_data.board, sets), sets)
        for policy, sets in zip(policies, ran, strict=True)
    )


def cascade_sweep(routing_data: RoutingData, acceptance: Acceptance, seed: int) -> list[Candidate]:
    """Cascades by the risk that stopping after the scouts changes a decision; empty without scouts."""
    scouts = frozenset(expert.name for expert in routing_data.experts if expert.scout)
    everyone = frozenset(routing_data.scored.experts)
    if scouts in (frozenset(), everyone):
        return []

    def fit(part: RoutingData) -> list[Policy]:
        quick, full = (part.board.scores([names] * len(part.scored.labels)) for names in (scouts, everyone))
        both = ~np.isnan(quick) & ~np.isnan(full)
        above = full[both] > limit(full[both], part.scored.labels[both], FALSE_REJECT_RATE)
        careful = [_cascade(quick[both], above, 0.0, margin) for margin in MARGINS]
        return careful + [_cascade(quick[both], above, acceptance.routing_risk * times) for times in RISKS]

    return list(_crossfit(routing_data, seed, fit, f"cascade after {name_of(scouts)}"))


def _cascade(quick: Scores, above: Labels, risk: float, margin: float = 0.0) -> Policy:
    """The narrowest [low, high] with at most this share of changed decisions outside, widened by the margin."""
    slips = int(risk * len(quick))
    defective, good = np.sort(quick[above]), np.sort(quick[~above])[::-1]
    low = float(defective[slips]) if slips < len(defective) else 1.0
    high = float(good[slips]) if slips < len(good) else 0.0
    middle = (low + high) / 2
    return Policy(mode="cascade", low=_moved(min(low, middle), -margin), high=_moved(max(high, middle), margin))


def _moved(score: float, log_odds: float) -> float:
    inner = min(max(score, 1e-9), 1 - 1e-9)
    return score if log_odds == 0 else probability(float(np.log(inner / (1 - inner))) + log_odds, 1.0, 0.0)


def learned_sweep(routing_data: RoutingData, first: Sequence[str], seed: int) -> list[Candidate]:
    """Learned routers by the price of computing.

    The price is shrunk toward none, at which everything runs that may matter, the more the fewer independent defects
    the router was fitted on.
    """
    total_ms = max(float(routing_data.board.costs_ms.sum()), 1e-6)

    def fit(part: RoutingData) -> list[Policy]:
        router = fit_router(part.board, first, best_set(part.board, first))
        weight = evidence_weight(num_independent(part.scored.units, part.scored.labels))
        return [Policy(mode="learned", router=router, price=weight * price / total_ms) for price in PRICES]

    return list(_crossfit(routing_data, seed, fit, f"router after {name_of(frozenset(first))}"))


def evidence_weight(defects: int) -> float:
    """0 without any independent defect, toward 1 with many."""
    return defects / (defects + HALF_WEIGHT)
