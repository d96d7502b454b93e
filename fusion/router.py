"""Turns what the first experts said into what more to run, by learned regret and a price of computing.

Knows neither pixels nor features of experts that did not run. Letters: P pieces, F first experts, A paths, E all
experts, M modalities, X inputs.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores, probability

MAX_LOG_ODDS = 8.0
"""Beyond this a score says no more about doubt, and a rare outlier must not reach past what was fitted."""


class Router(Protocol):
    """Plain numbers, so that a bundle can hold them: the regret of a path is a logistic function of the inputs."""

    @property
    def first(self) -> tuple[str, ...]:
        """The experts that say their log-odds, in this order."""

    @property
    def centre(self) -> tuple[float, ...]: ...
    @property
    def scale(self) -> tuple[float, ...]: ...
    @property
    def threshold(self) -> float:
        """Calibrated log-odds at which good and defective part."""

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """What may run after the first experts; the last path is everything."""

    @property
    def weights(self) -> tuple[tuple[float, ...], ...]: ...
    @property
    def bias(self) -> tuple[float, ...]: ...
    @property
    def experts(self) -> tuple[str, ...]: ...
    @property
    def costs_ms(self) -> tuple[float, ...]:
        """CPU of each of `experts`, one piece."""


class PartialResults(NamedTuple):
    """Pieces on which all first experts looked, or could not."""

    logits: Scores
    """(P, F) NaN where an expert had nothing to look at."""
    log_odds: Scores
    """(P,) of the first experts together, calibrated; NaN without a calibration."""
    able: Labels
    """(P, E) whether each of the router's `experts` has its modality."""
    fails: Labels
    """(P,) already above the limit of FAIL: nothing more must be seen."""


def inputs(router: Router, glances: PartialResults) -> Scores:
    """(P, X): each expert's log-odds and their distance from the middle, then the joint ones, from the threshold."""
    logits_PF = (glances.logits - np.array(router.centre)) / np.array(router.scale)
    joint_P1 = (glances.log_odds - router.threshold)[:, None]
    said = np.concatenate([logits_PF, joint_P1], axis=1).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    return np.concatenate([said, np.abs(said)], axis=1)


def regrets(router: Router, inputs_PX: Scores) -> Scores:
    """(P, A): how likely each path decides wrongly what another decides rightly."""
    margins_PA: Scores = inputs_PX @ np.array(router.weights).T + np.array(router.bias)
    return probability(margins_PA, 1.0, 0.0)


class PathMatrix(NamedTuple):
    """The paths of a router as matrices."""

    runs: Labels
    """(A, E) what each path runs, the first experts included."""
    adds: Labels
    """(A, E) without these."""
    member: Labels
    """(E, M)"""


def ways(router: Router, modalities: Sequence[str]) -> PathMatrix:
    """`modalities`: of each of the router's experts."""
    adds_AE = np.array([[name in path for name in router.experts] for path in router.paths])
    first_E = np.array([name in router.first for name in router.experts])
    kinds = sorted(set(modalities))
    return PathMatrix(adds_AE | first_E, adds_AE, np.array([[own == kind for kind in kinds] for own in modalities]))


def cheapest(router: Router, found: PathMatrix, glances: PartialResults, price: float) -> NDArray[np.intp]:
    """(P,) the path of least regret plus price of its computing, among those that leave no present modality unseen.

    A piece that lacks a first expert takes the last path, everything: no regret was learned from such pieces.
    """
    regrets_PA = regrets(router, np.nan_to_num(inputs(router, glances)))
    costs_PA = (glances.able * np.array(router.costs_ms)) @ found.adds.T
    seen_PAM = (glances.able[:, None, :] & found.runs).astype(np.intp) @ found.member > 0
    there_PM = glances.able.astype(np.intp) @ found.member > 0
    open_PA = glances.fails[:, None] | (seen_PAM == there_PM[:, None, :]).all(2)
    chosen: NDArray[np.intp] = np.where(open_PA, regrets_PA + price * costs_PA, np.inf).argmin(1)
    whole_P = ~np.isnan(glances.logits).any(1) & ~np.isnan(glances.log_odds)
    return np.where(whole_P, chosen, len(router.paths) - 1)
