"""Chooses which experts to run next from the results of the initial experts: learned regret against computing cost.

Letters: P pieces, F initial experts, A paths, E all experts, M modalities, X inputs.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores, probability

MAX_LOG_ODDS = 8.0
"""Larger scores carry no more information, and outliers must not extrapolate beyond the fitted range."""


class Router(Protocol):
    """Plain numbers, stored in the bundle: the regret of a path is a logistic function of the inputs."""

    @property
    def first(self) -> tuple[str, ...]:
        """The initial experts; their log-odds are inputs, in this order."""

    @property
    def centre(self) -> tuple[float, ...]: ...
    @property
    def scale(self) -> tuple[float, ...]: ...
    @property
    def threshold(self) -> float:
        """Calibrated log-odds that separate good from defective."""

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Sets that may run after the initial experts; the last path is all of them."""

    @property
    def weights(self) -> tuple[tuple[float, ...], ...]: ...
    @property
    def bias(self) -> tuple[float, ...]: ...
    @property
    def experts(self) -> tuple[str, ...]: ...
    @property
    def costs_ms(self) -> tuple[float, ...]:
        """CPU time of each of `experts` for one piece."""


class PartialResults(NamedTuple):
    """Results of the initial experts for several pieces."""

    logits: Scores
    """(P, F) NaN where an expert had no recording."""
    log_odds: Scores
    """(P,) of the initial experts together, calibrated; NaN without a calibration."""
    able: Labels
    """(P, E) whether each of the router's `experts` has its modality."""
    fails: Labels
    """(P,) already above the FAIL limit: no further modality has to be examined."""


def inputs(router: Router, partial_results: PartialResults) -> Scores:
    """(P, X): scaled log-odds of the initial experts, joint log-odds relative to the threshold, absolute values."""
    logits_PF = (partial_results.logits - np.array(router.centre)) / np.array(router.scale)
    joint_P1 = (partial_results.log_odds - router.threshold)[:, None]
    columns = np.concatenate([logits_PF, joint_P1], axis=1).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    return np.concatenate([columns, np.abs(columns)], axis=1)


def regrets(router: Router, inputs_PX: Scores) -> Scores:
    """(P, A): probability that a path decides wrongly where another path decides correctly."""
    margins_PA: Scores = inputs_PX @ np.array(router.weights).T + np.array(router.bias)
    return probability(margins_PA, 1.0, 0.0)


class PathMatrix(NamedTuple):
    """The paths of a router as matrices."""

    runs: Labels
    """(A, E) experts that each path runs, including the initial ones."""
    adds: Labels
    """(A, E) experts that each path adds."""
    member: Labels
    """(E, M) the modality of each expert."""


def path_matrix(router: Router, modalities: Sequence[str]) -> PathMatrix:
    """`modalities`: the modality of each of the router's experts."""
    adds_AE = np.array([[name in path for name in router.experts] for path in router.paths])
    first_E = np.array([name in router.first for name in router.experts])
    kinds = sorted(set(modalities))
    return PathMatrix(
        adds_AE | first_E, adds_AE, np.array([[modality == kind for kind in kinds] for modality in modalities])
    )


def select_path(router: Router, matrix: PathMatrix, partial_results: PartialResults, price: float) -> NDArray[np.intp]:
    """(P,) the path with the least regret plus computing cost, among those that examine every present modality.

    A piece without the results of all initial experts takes the last path (all experts): no such piece was trained on.
    """
    regrets_PA = regrets(router, np.nan_to_num(inputs(router, partial_results)))
    costs_PA = (partial_results.able * np.array(router.costs_ms)) @ matrix.adds.T
    seen_PAM = (partial_results.able[:, None, :] & matrix.runs).astype(np.intp) @ matrix.member > 0
    there_PM = partial_results.able.astype(np.intp) @ matrix.member > 0
    open_PA = partial_results.fails[:, None] | (seen_PAM == there_PM[:, None, :]).all(2)
    chosen: NDArray[np.intp] = np.where(open_PA, regrets_PA + price * costs_PA, np.inf).argmin(1)
    whole_P = ~np.isnan(partial_results.logits).any(1) & ~np.isnan(partial_results.log_odds)
    return np.where(whole_P, chosen, len(router.paths) - 1)
