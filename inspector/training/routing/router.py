"""Fits a learned router by logistic regression on the regret of each path."""

import logging
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np

from fusion.calibration import Scores, probability
from fusion.router import MAX_LOG_ODDS, PartialResults, inputs
from fusion.scored import ExpertSet
from inspector.bundle.schema import Router
from inspector.statistics.evidence import num_independent
from inspector.training.routing.frontier import FALSE_REJECT_RATE, Board, limit, quality

_log = logging.getLogger("inspector.training")

MAX_PATHS = 8
MAX_ITERATIONS = 50
MAX_STEP = 2.0
"""Log-odds that one iteration may move a weight: Newton's method alone diverges on nearly separable regrets."""
LIMIT_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""False-reject rates of the limits at which decisions are compared: the router should suit any of them."""


def best_set(board: Board, first: Sequence[str]) -> ExpertSet:
    """The best set that contains the initial experts, if it runs on all pieces; the largest of equals."""
    scores = {names: board.scores(board.able(names)) for names in board.scored.sets if names >= set(first)}
    return max(scores, key=lambda names: (quality(scores[names], board.scored.labels), len(names)))


def fit_router(board: Board, first: Sequence[str], best: ExpertSet) -> Router:
    """Logistic regressions of each path's regret on the results of the initial experts, on pieces that have them all.

    If these pieces are all good or all defective, logs a warning and returns a router that runs everything.
    """
    scored, everything = board.scored, _everything(board, first)
    rows = [scored.experts.index(name) for name in first]
    whole = np.flatnonzero(~np.isnan(scored.expert_logits[rows]).any(0))
    part = Board(scored.take(whole), board.probabilities[:, whole], board.costs_ms)
    logits = part.scored.expert_logits[rows]
    labels = part.scored.labels
    if labels.all() or not labels.any():
        _log.warning(
            "router after %s: %d pieces have recordings for these experts, of which %d are defective: nothing can be "
            "fitted, so everything runs on every piece; label good and defective pieces that have all these recordings",
            " + ".join(first), len(labels), int(labels.sum()),
        )  # fmt: skip
        return everything
    reference = part.scores(part.able(best))
    threshold = float(np.clip(limit(reference, labels, FALSE_REJECT_RATE), 0.05, 0.95))
    middles = [(np.median(column[labels]) + np.median(column[~labels])) / 2 for column in logits]
    blank = everything.model_copy(
        update={
            "centre": tuple(float(middle) for middle in middles),
            "scale": tuple(max(float(column.std()), 1e-3) for column in logits),
            "threshold": float(np.log(threshold / (1 - threshold))),
        }
    )
    joint = part.scores([frozenset(first)] * len(labels)).clip(1e-9, 1 - 1e-9)
    unused = np.zeros((len(labels), 0), bool)
    features = inputs(blank, PartialResults(logits.T, np.log(joint) - np.log1p(-joint), unused, unused))
    evidence = num_independent(part.scored.units, np.ones(len(labels), bool))
    fits = [_logistic(features, regret, evidence) for regret in _regrets(part, first, blank.paths, best)]
    return blank.model_copy(update={"weights": tuple(w for w, _ in fits), "bias": tuple(b for _, b in fits)})


def _everything(board: Board, first: Sequence[str]) -> Router:
    """A router that always takes the last path, which runs all experts."""
    paths = _paths(board, first)
    return Router(
        first=tuple(first),
        centre=(0.0,) * len(first),
        scale=(1.0,) * len(first),
        threshold=0.0,
        paths=paths,
        weights=((0.0,) * 2 * (len(first) + 1),) * len(paths),
        bias=(MAX_LOG_ODDS,) * (len(paths) - 1) + (-MAX_LOG_ODDS,),
        experts=board.scored.experts,
        costs_ms=tuple(board.costs_ms.tolist()),
    )


def same_route(router: Router | None) -> str:
    """A sentence for the model card if the results of the initial experts change nothing."""
    if router is None or np.any(router.weights):
        return ""
    return (
        " The results of the initial experts do not distinguish routes: every piece that has them takes the same one."
    )


def _paths(board: Board, first: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Every set of the other experts, cheap ones first; with many experts, only none, each single one and all."""
    costs = dict(zip(board.scored.experts, board.costs_ms.tolist(), strict=True))
    rest = sorted(set(board.scored.experts) - set(first))
    sizes = range(len(rest) + 1) if 2 ** len(rest) <= MAX_PATHS else (0, 1, len(rest))
    paths = chain.from_iterable(combinations(rest, size) for size in sizes)
    return tuple(sorted(paths, key=lambda path: (sum(costs[name] for name in path), len(path), path)))


def _regrets(board: Board, first: Sequence[str], paths: Sequence[Sequence[str]], best: ExpertSet) -> list[Scores]:
    """Per path and piece, the share of limits at which its decision differs from that of the best set.

    Compared with the label instead, pieces that no path can classify add too much noise: at equal computing the routes
    reached two to seven points less recall.
    """
    reference = board.scores(board.able(best))
    limits = np.array([limit(reference, board.scored.labels, rate) for rate in LIMIT_RATES])[:, None]
    scores = (board.scores(board.able(frozenset((*first, *path)))) for path in paths)
    return [((path_scores > limits) != (reference > limits)).mean(0) for path_scores in scores]


def _logistic(features: Scores, regret: Scores, evidence: float) -> tuple[tuple[float, ...], float]:
    """Weights and bias of a logistic regression on shares; only a bias if the regret does not vary.

    The pieces count as `evidence` pieces together, against a ridge on the weights alone: pieces share recordings, and
    with few of them every piece comes near to the mean regret of the path. Newton's method.
    """
    share = (regret.sum() + 0.5) / (len(regret) + 1.0)
    if min(regret.sum(), (1 - regret).sum()) < 1:
        return (0.0,) * features.shape[1], float(np.log(share / (1 - share)))
    columns = np.column_stack([features, np.ones(len(features))])
    ridge, weight = np.eye(columns.shape[1]), evidence / len(regret)
    ridge[-1, -1] = 1e-9
    theta = np.append(np.zeros(features.shape[1]), np.log(share / (1 - share)))
    for _ in range(MAX_ITERATIONS):
        estimates = probability(columns @ theta, 1.0, 0.0)
        gradient = weight * columns.T @ (estimates - regret) + ridge @ theta
        curvature = weight * (columns.T * (estimates * (1 - estimates))) @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        theta = theta - step * min(1.0, MAX_STEP / float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return tuple(theta[:-1].tolist()), float(theta[-1])
