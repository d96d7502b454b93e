"""Chooses a routing policy from scored pieces: all experts, unless fewer are shown to lose nothing that matters.

A static set, a cascade or a router ships only where its loss against all experts is shown to be within the margins of
`inspector.training.routing.noninferiority`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from fusion.scored import ExpertSet
from inspector.bundle.schema import Policy
from inspector.training.config import Acceptance
from inspector.training.routing.frontier import Point, cheapest_good, cheapest_of, floor_of, name_of, static_points
from inspector.training.routing.noninferiority import Counts, counts, least_counts
from inspector.training.routing.router import same_route
from inspector.training.routing.selection import Option, Selected, shown, static_options, swept_options
from inspector.training.routing.sweeps import (
    Candidate,
    RoutingData,
    cascade_sweep,
    initial_choices,
    learned_sweep,
)

RequestedMode = Literal["auto", "dense", "static", "cascade", "learned", "budgeted"]


@dataclass(frozen=True)
class PolicyChoice:
    policy: Policy
    findings: tuple[str, ...]
    """Sentences for the model card and the log."""


DENSE = Policy(mode="dense")


def choose_policy(
    routing_data: RoutingData, acceptance: Acceptance, requested: RequestedMode = "auto", seed: int = 0
) -> PolicyChoice:
    """`auto`: the cheapest static set, cascade or router that is shown to lose nothing that matters, or all experts.

    Any other requested mode is used, and the findings report its cost.
    """
    if requested == "dense" or len(routing_data.experts) == 1:
        return PolicyChoice(DENSE, ("All experts run on every piece.",))
    if requested == "auto":
        return _shown(routing_data, acceptance, seed)
    points = static_points(routing_data.board)
    best, floor = cheapest_good(points), floor_of(points)
    shipped = cheapest_of({names: point for names, point in points.items() if _sees_all(routing_data, names)}, floor)
    if requested == "static":
        return PolicyChoice(_static(routing_data, shipped), (_of_static(points, shipped),))
    candidate = cheapest(list(_sweeps(routing_data, acceptance, requested, seed)), floor)
    if candidate is None:
        return PolicyChoice(
            _static(routing_data, shipped), (f"No routing is possible: {name_of(shipped)} runs on every piece.",)
        )
    policy = candidate.policy.model_copy(update={"mode": "budgeted"}) if requested == "budgeted" else candidate.policy
    return PolicyChoice(policy, (_gain(candidate.point, points[best], _dense(points)) + same_route(policy.router),))


def _shown(routing_data: RoutingData, acceptance: Acceptance, seed: int) -> PolicyChoice:
    seen = counts(routing_data.scored.units, routing_data.scored.labels)
    if not seen.could_show():
        least = least_counts()
        reason = (
            f"All experts run on every piece: {seen} cannot show that fewer experts lose nothing that matters. About "
            f"{least.defective} defective, {least.good} good and {least.all} pieces in all can, if none is lost."
        )
        return PolicyChoice(DENSE, (reason,))
    static = [
        Option(_static(routing_data, names), point, outcome)
        for names, point, outcome in static_options(routing_data)
        if _sees_all(routing_data, names)
    ]
    sweeps = [swept_options(routing_data, sweep) for sweep in _sweeps(routing_data, acceptance, "auto", seed)]
    choice = shown(routing_data, static, sweeps, seed)
    return PolicyChoice(choice.option.policy, tuple(_findings(choice, _dense(static_points(routing_data.board)), seen)))


def _findings(choice: Selected, dense: Point, seen: Counts) -> Iterator[str]:
    chosen = choice.option
    yield (
        f"{choice.reason} From {seen}: {chosen.point.name} saves {_saved(chosen.point.cost_ms, dense)} of the "
        f"encoders' CPU time against all experts. Loss against all experts, cross-fitted: {choice.loss}."
        + same_route(chosen.policy.router)
    )
    if choice.missed is not None:
        option, loss = choice.missed
        yield f"Not shown: {option.point.name}, which would save {_saved(option.point.cost_ms, dense)}, loses {loss}."


def _sweeps(
    routing_data: RoutingData, acceptance: Acceptance, requested: RequestedMode, seed: int
) -> Iterator[list[Candidate]]:
    if requested in ("auto", "cascade"):
        yield cascade_sweep(routing_data, acceptance, seed)
    if requested in ("auto", "learned", "budgeted"):
        yield from (learned_sweep(routing_data, names, seed) for names in initial_choices(routing_data))


def cheapest(sweeps: Sequence[Sequence[Candidate]], floor: float) -> Candidate | None:
    """The cheapest candidate that is reached, from expensive to cheap, before one of its sweep falls below the floor.

    A cheap candidate after a worse one is good by chance. Returns the best if none is good enough.
    """
    good_enough = []
    for sweep in sweeps:
        for candidate in sorted(sweep, key=lambda candidate: -candidate.point.cost_ms):
            if candidate.point.quality < floor:
                break
            good_enough.append(candidate)
    if good_enough:
        return min(good_enough, key=lambda candidate: candidate.point.cost_ms)
    return max(chain.from_iterable(sweeps), key=lambda candidate: candidate.point.quality, default=None)


def _sees_all(routing_data: RoutingData, names: ExpertSet) -> bool:
    """Whether a set examines every modality, so that a piece can pass."""
    seen = {expert.modality for expert in routing_data.experts if expert.name in names}
    return seen == {expert.modality for expert in routing_data.experts}


def _static(routing_data: RoutingData, names: ExpertSet) -> Policy:
    if names == frozenset(routing_data.scored.experts):
        return DENSE
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
