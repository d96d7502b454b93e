"""Selects, among static sets, cascades and routers, the cheapest that is shown to lose nothing that matters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

from fusion.calibration import Labels
from fusion.scored import ExpertSet
from inspector.bundle.schema import Policy
from inspector.dataset.splits import unit_folds
from inspector.training.routing.figures import Routed
from inspector.training.routing.frontier import Point, static_points
from inspector.training.routing.noninferiority import Loss, losses, mean_losses
from inspector.training.routing.sweeps import NUM_FOLDS, Candidate, RoutingData

MIN_GAIN = 0.03
"""Smaller savings against the static set are within the noise of the choice."""


CAUTIONS = (1.0, 1.25, 1.5)
"""Multiples of the allowances for chance, tried until the choice also passes when it is repeated inside the folds."""


@dataclass(frozen=True)
class Option:
    """One way of running fewer experts, and what becomes of each piece: cross-fitted where something was fitted."""

    policy: Policy
    point: Point
    outcome: Routed


@dataclass(frozen=True)
class Selected:
    option: Option
    loss: Loss
    reason: str
    missed: tuple[Option, Loss] | None = None
    """The cheapest that seems to lose no more than the margins, and is not shown to."""


def static_options(routing_data: RoutingData) -> list[tuple[ExpertSet, Point, Routed]]:
    """All sets, the cheapest first."""
    board = routing_data.board
    return [(names, point, routing_data.outcome(board.able(names))) for names, point in static_points(board).items()]


def swept_options(routing_data: RoutingData, sweep: Sequence[Candidate]) -> list[Option]:
    """From careful to cheap."""
    return [Option(one.policy, one.point, routing_data.outcome(one.ran)) for one in sweep]


def shown(
    routing_data: RoutingData, static: Sequence[Option], sweeps: Sequence[Sequence[Option]], seed: int
) -> Selected:
    """`static` holds the set of all experts.

    The bounds hold for all options of a sweep together. A cascade or router also has to pass with the choice among all
    sweeps repeated inside the folds, so that the estimate includes the choice; where it does not, more careful choices
    are tried.
    """
    scored, everyone = routing_data.scored, routing_data.with_all()
    bounds: dict[int, Loss] = {}
    for options in (static, *sweeps):
        lost = losses([option.outcome for option in options], everyone, scored.labels, scored.units, seed)
        bounds |= {id(option): loss for option, loss in zip(options, lost, strict=True)}
    table = Table(static, sweeps, bounds)
    fixed = table.choose([])
    reason = "The same experts run on every piece: no router is shown to save more and to lose nothing that matters."
    for caution in CAUTIONS:
        careful = table.with_allowance(caution)
        best = careful.choose(sweeps)
        if best.point.cost_ms > (1 - MIN_GAIN) * fixed.point.cost_ms:
            break
        (loss,) = losses([_nested(routing_data, everyone, careful, seed)], everyone, scored.labels, scored.units, seed)
        if loss.acceptable:
            reason = "Routing is shown to lose nothing that matters."
            return Selected(best, bounds[id(best)], reason, table.missed(best))
        reason = f"The same experts run on every piece: a router, chosen inside the folds, loses {loss}."
    return Selected(fixed, bounds[id(fixed)], reason, table.missed(fixed))


@dataclass(frozen=True, eq=False)
class Table:
    """All options with their losses."""

    static: Sequence[Option]
    sweeps: Sequence[Sequence[Option]]
    losses: Mapping[int, Loss]
    """By the identity of the option."""

    def choose(self, sweeps: Sequence[Sequence[Option]]) -> Option:
        """The cheapest acceptable set, or option of these sweeps; all experts if none is acceptable."""
        reached = chain.from_iterable(map(self._reached, sweeps))
        return _cheapest([*(option for option in self.static if self._acceptable(option)), *reached, self.dense])

    def with_allowance(self, factor: float) -> "Table":
        """A table for more careful choices: with a multiple of the allowances for chance."""
        wider = {
            key: Loss(loss.mean, loss.mean + factor * (loss.high - loss.mean)) for key, loss in self.losses.items()
        }
        return Table(self.static, self.sweeps, wider)

    def missed(self, chosen: Option) -> tuple[Option, Loss] | None:
        """The cheapest that seems to lose no more than the margins; None if that is no cheaper than the chosen one."""
        options = [*self.static, *chain.from_iterable(self.sweeps)]
        seeming = [option for option in options if self.losses[id(option)].seems_acceptable]
        cheapest = _cheapest([*seeming, chosen])
        return None if cheapest.point.cost_ms >= chosen.point.cost_ms else (cheapest, self.losses[id(cheapest)])

    @property
    def dense(self) -> Option:
        """All experts."""
        return max(self.static, key=lambda option: option.point.cost_ms)

    def _acceptable(self, option: Option) -> bool:
        return self.losses[id(option)].acceptable

    def _reached(self, sweep: Sequence[Option]) -> Iterator[Option]:
        """The options before the first that is not acceptable: a cheap one behind it is good by chance."""
        return takewhile(self._acceptable, sweep)

    def on(self, learn: Labels, everyone: Routed, labels: Labels) -> "Table":
        """The mean losses on some of the pieces, with the allowances for chance of all of them."""
        options = [*self.static, *chain.from_iterable(self.sweeps)]
        seen = mean_losses([_part(one.outcome, learn) for one in options], _part(everyone, learn), labels[learn])
        moved = {id(one): self.losses[id(one)].at(mean) for one, mean in zip(options, seen, strict=True)}
        return Table(self.static, self.sweeps, moved)


def _cheapest(options: Iterable[Option]) -> Option:
    return min(options, key=lambda option: option.point.cost_ms)


def _nested(routing_data: RoutingData, everyone: Routed, table: Table, seed: int) -> Routed:
    """What becomes of each piece by the option that is chosen without it and all that share a recording with it."""
    scored = routing_data.scored
    scores, right = everyone.scores.copy(), everyone.right.copy()
    for learn, judge in unit_folds(scored.units, NUM_FOLDS, seed):
        if scored.labels[learn].any() and not scored.labels[learn].all():
            outcome = table.on(learn, everyone, scored.labels).choose(table.sweeps).outcome
            scores[judge], right[judge] = outcome.scores[judge], outcome.right[judge]
    return Routed(scores, right)


def _part(outcome: Routed, chosen: Labels) -> Routed:
    return Routed(outcome.scores[chosen], outcome.right[chosen])
