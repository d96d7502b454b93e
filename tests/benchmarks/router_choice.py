"""Counts how often a router ships, and what it then loses on pieces that nothing was fitted on.

    python -m tests.benchmarks.router_choice --lines 40

Simulated lines whose pieces share pictures and sounds: on some, the thumbnail is sure of a share of the defects that it
cannot see, so that a router that trusts it loses .03 of the AUC; on others it loses nothing. The rule until now (the
cheapest whose cross-fitted recall is within .005 of the best static set's) beside that of `inspector train`. Static
sets count as shipped, too. Losses are of 5,000 pieces of other recordings.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from fusion.scored import ExpertSet
from inspector.statistics.classification import area_under_curve
from inspector.training.config import Acceptance
from inspector.training.routing import router, sweeps
from inspector.training.routing.policy import choose_policy
from inspector.training.routing.sweeps import RoutingData
from tests.inspector.training.made_scores import limits
from tests.inspector.training.routing_lines import Line, data_of, line_scores, old_choice, unseen_data

LINES = {
    "15 pictures": Line(15, 12, 300, 0.06),
    "25 pictures": Line(25, 15, 300, 0.06),
    "40 pictures": Line(40, 23, 600, 0.06),
    "300 pictures": Line(300, 300, 900, 0.06),
    "600 pictures": Line(600, 600, 900, 0.06),
    "300 pictures, nothing hidden": Line(300, 300, 900, 0.0),
    "600 pictures, nothing hidden": Line(600, 600, 900, 0.0),
}


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=40, help="lines of each kind")
    parser.add_argument("--only", default="", help="kinds whose name begins so")
    arguments = parser.parse_args()
    print("| line | rule | ships | saves | AUC lost where it ships, mean (worst) | ships and loses more than .01 |")
    print("|---|---|---|---|---|---|")
    for name, line in LINES.items():
        if name.startswith(arguments.only):
            for rule, choose in (("until now", _old), ("shown", _new)):
                results = [choose(line, seed) for seed in range(arguments.lines)]
                print(_row(name, rule, [one for one in results if one], arguments.lines), flush=True)


def _row(name: str, rule: str, shipped: Sequence[tuple[float, float]], lines: int) -> str:
    saved, lost = (np.array([pair[index] for pair in shipped]) for index in range(2))
    figures = ("", "") if not len(lost) else (f"{saved.mean():.0%}", f"{lost.mean():+.4f} ({lost.max():+.4f})")
    return f"| {name} | {rule} | {len(lost)} of {lines} | {' | '.join(figures)} | {int((lost > 0.01).sum())} |"


def _old(line: Line, seed: int) -> tuple[float, float] | None:
    """Saving and loss, or None where all experts run. Without shrinkage, as it was."""
    weight, logistic = sweeps.evidence_weight, router.__dict__["_logistic"]
    sweeps.evidence_weight = lambda defects: 1.0
    router.__dict__["_logistic"] = lambda features, regret, _: logistic(features, regret, len(regret))
    try:
        data = data_of(line_scores(line, seed))
        candidate = old_choice(data)
    finally:
        sweeps.evidence_weight, router.__dict__["_logistic"] = weight, logistic
    return None if candidate is None else _outcome(line, seed, lambda unseen: unseen.routed(candidate.policy))


def _new(line: Line, seed: int) -> tuple[float, float] | None:
    policy = choose_policy(data_of(line_scores(line, seed)), Acceptance()).policy
    return None if policy.mode == "dense" else _outcome(line, seed, lambda unseen: unseen.routed(policy))


def _outcome(line: Line, seed: int, route: Callable[[RoutingData], list[ExpertSet]]) -> tuple[float, float]:
    unseen = unseen_data(line, limits(line_scores(line, seed)), 10_000 + seed)
    ran, everyone = route(unseen), unseen.board.able(frozenset(unseen.scored.experts))
    costs = [float(unseen.board.cost_ms(names).mean()) for names in (ran, everyone)]
    aucs = [area_under_curve(unseen.board.scores(names), unseen.scored.labels) for names in (ran, everyone)]
    return 1 - costs[0] / costs[1], aucs[1] - aucs[0]


if __name__ == "__main__":
    main()
