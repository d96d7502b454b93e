"""Chooses a routing policy from scored pieces: a static set, or a cascade or router if that saves more.

A router is judged on pieces that share no unit with the pieces that it was fitted on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Literal

import numpy as np

from fusion.calibration import Labels, Scores, probability
from fusion.policy import Calibration, Expert, routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Policy
from inspector.dataset.splits import unit_folds
from inspector.training.config import Acceptance
from inspector.training.routing.frontier import (
    FALSE_REJECT_RATE,
    Board,
    Point,
    cheapest_good,
    cheapest_of,
    floor_of,
    limit,
    name_of,
    point,
    static_points,
)
from inspector.training.routing.router import best_set, fit_router, same_route

Calibrations = Mapping[ExpertSet, Calibration]
RequestedMode = Literal["auto", "dense", "static", "cascade", "learned", "budgeted"]

NUM_FOLDS = 5
PRICES = tuple(np.geomspace(0.005, 0.7, 12).tolist())
"""Prices of the sweep: regret that running all experts must save."""
RISKS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the routing risk, for the sweep of the cascade."""
MARGINS = (3.0, 2.0, 1.5, 1.0, 0.5)
"""Log-odds by which a cascade without errors is widened, for the sweep: a margin for other pieces."""
MAX_FIRST_SHARE = 0.7
"""Largest share of the total cost for initial experts."""
MIN_GAIN = 0.03
"""Smaller savings against the static set are within the noise of the choice."""


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


@dataclass(frozen=True)
class Candidate:
    """A policy fitted on all pieces, and its cross-fitted point."""

    policy: Policy
    point: Point


@dataclass(frozen=True)
class PolicyChoice:
    policy: Policy
    findings: tuple[str, ...]
    """Sentences for the model card and the log."""


def make_routing_data(scored: Scored, experts: Sequence[Expert], calibrations: Calibrations) -> RoutingData:
    return RoutingData(Board.of(scored, calibrations), tuple(experts), calibrations)


def choose_policy(
    routing_data: RoutingData, acceptance: Acceptance, requested: RequestedMode = "auto", seed: int = 0
) -> PolicyChoice:
    """`auto`: the static set, unless a cascade or a router saves computing against it at no less recall.

    Any other requested mode is used, and the findings report its cost.
    """
    points = static_points(routing_data.board)
    best = cheapest_good(points)
    if requested == "dense" or len(routing_data.experts) == 1:
        return PolicyChoice(Policy(mode="dense"), ("All experts run on every piece.",))
    floor = floor_of(points)
    shipped = cheapest_of(
        {names: candidate for names, candidate in points.items() if _sees_all(routing_data, names)}, floor
    )
    fixed = _static(routing_data, shipped)
    if requested == "static":
        return PolicyChoice(fixed, (_of_static(points, shipped),))
    sweeps = list(_sweeps(routing_data, acceptance, requested, seed))
    candidate = cheapest(sweeps, floor, strict=requested == "auto")
    if requested == "auto" and (candidate is None or candidate.point.cost_ms > (1 - MIN_GAIN) * points[best].cost_ms):
        return PolicyChoice(fixed, (_no_gain(candidate, points[best]), _of_static(points, shipped)))
    if candidate is None:
        return PolicyChoice(fixed, (f"No routing is possible: {name_of(shipped)} runs on every piece.",))
    policy = candidate.policy.model_copy(update={"mode": "budgeted"}) if requested == "budgeted" else candidate.policy
    return PolicyChoice(policy, (_gain(candidate.point, points[best], _dense(points)) + same_route(policy.router),))


def _sweeps(
    routing_data: RoutingData, acceptance: Acceptance, requested: RequestedMode, seed: int
) -> Iterator[list[Candidate]]:
    if requested in ("auto", "cascade"):
        yield cascade_sweep(routing_data, acceptance, seed)
    if requested in ("auto", "learned", "budgeted"):
        yield from (learned_sweep(routing_data, names, seed) for names in initial_choices(routing_data))


def cheapest(sweeps: Sequence[Sequence[Candidate]], floor: float, strict: bool) -> Candidate | None:
    """The cheapest candidate that is reached, from expensive to cheap, before one of its sweep falls below the floor.

    A cheap candidate after a worse one is good by chance. Without `strict`, returns the best if none is good enough.
    """
    good_enough = []
    for sweep in sweeps:
        for candidate in sorted(sweep, key=lambda candidate: -candidate.point.cost_ms):
            if candidate.point.quality < floor:
                break
            good_enough.append(candidate)
    if good_enough:
        return min(good_enough, key=lambda candidate: candidate.point.cost_ms)
    everyone = list(chain.from_iterable(sweeps))
    return None if strict else max(everyone, key=lambda candidate: candidate.point.quality, default=None)


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
        for sets, policy in zip(ran, held_by, strict=True):
            for piece, names in zip(np.flatnonzero(judge).tolist(), held.routed(policy), strict=True):
                sets[piece] = names
    return (
        Candidate(policy, point(label, routing_data.board, sets)) for policy, sets in zip(policies, ran, strict=True)
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
    """Learned routers by the price of computing."""
    total_ms = max(float(routing_data.board.costs_ms.sum()), 1e-6)

    best = best_set(routing_data.board, first)

    def fit(part: RoutingData) -> list[Policy]:
        router = fit_router(part.board, first, best)
        return [Policy(mode="learned", router=router, price=price / total_ms) for price in PRICES]

    return list(_crossfit(routing_data, seed, fit, f"router after {name_of(frozenset(first))}"))


def _sees_all(routing_data: RoutingData, names: ExpertSet) -> bool:
    """Whether a set examines every modality, so that a piece can pass."""
    seen = {expert.modality for expert in routing_data.experts if expert.name in names}
    return seen == {expert.modality for expert in routing_data.experts}


def _static(routing_data: RoutingData, names: ExpertSet) -> Policy:
    if names == frozenset(routing_data.scored.experts):
        return Policy(mode="dense")
    return Policy(mode="static", static_experts=tuple(sorted(names)))


def _dense(points: Mapping[ExpertSet, Point]) -> Point:
    return points[max(points, key=len)]


def _saved(cost_ms: float, against: Point) -> str:
    return f"{1 - cost_ms / max(against.cost_ms, 1e-9):.0%}"


def _of_static(points: Mapping[ExpertSet, Point], names: ExpertSet) -> str:
    static, dense = points[names], _dense(points)
    return (
        f"The static set {static.name} runs on every piece: it saves {_saved(static.cost_ms, dense)} of the encoders' "
        f"CPU time against all experts, at a mean recall of {static.quality:.3f} against {dense.quality:.3f}."
    )


def _gain(routing: Point, best: Point, dense: Point) -> str:
    return (
        f"Routing ({routing.name}) saves {_saved(routing.cost_ms, best)} of the encoders' CPU time against the "
        f"cheapest static set of equal quality ({best.name}) and {_saved(routing.cost_ms, dense)} against all experts, "
        f"at a mean recall of {routing.quality:.3f} against {best.quality:.3f} and {dense.quality:.3f}, cross-fitted."
    )


def _no_gain(candidate: Candidate | None, best: Point) -> str:
    if candidate is None:
        return f"Routing does not pay here: no router reaches the recall of the static set {best.name}."
    more = candidate.point.cost_ms > best.cost_ms
    costs = "saves nothing" if more else f"saves {_saved(candidate.point.cost_ms, best)}"
    return (
        f"Routing does not pay here: the best of the routers ({candidate.point.name}) {costs} of the encoders' CPU "
        f"time against the static set {best.name}, cross-fitted."
    )
