"""Fits a learned router: from the regret of each path on scored pieces to a few plain numbers. Chooses no policy."""

import logging
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
from sklearn.linear_model import LogisticRegression

from fusion.calibration import Scores
from fusion.router import MAX_LOG_ODDS, PartialResults, inputs
from fusion.scored import ExpertSet
from inspector.bundle.schema import Router
from inspector.training.routing.frontier import FALSE_REJECT_RATE, Board, limit, quality

_log = logging.getLogger("inspector.training")

MAX_PATHS = 8
LIMIT_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""False-reject rates of the limits at which a path may decide otherwise: a router is to serve whichever is set."""


def best_set(board: Board, first: Sequence[str]) -> ExpertSet:
    """Of the sets that hold the first experts, the best where all pieces run it; of equals the largest."""
    scores = {names: board.scores(board.able(names)) for names in board.scored.sets if names >= set(first)}
    return max(scores, key=lambda names: (quality(scores[names], board.scored.labels), len(names)))


def fit_router(board: Board, first: Sequence[str], best: ExpertSet) -> Router:
    """Logistic regressions of each path's regret on what the first experts say, on pieces that have them all.

    Where these are all good or all defective nothing can be fitted: everything runs, and a warning says so.
    """
    scored, everything = board.scored, _everything(board, first)
    rows = [scored.experts.index(name) for name in first]
    whole = np.flatnonzero(~np.isnan(scored.expert_logits[rows]).any(0))
    part = Board(scored.take(whole), board.probabilities[:, whole], board.costs_ms)
    logits = part.scored.expert_logits[rows]
    labels = part.scored.labels
    if labels.all() or not labels.any():
        _log.warning(
            "router after %s: of the %d pieces that have these, %d are defective, so everything runs on every piece; "
            "label good and defective pieces that have all of it",
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
    given = inputs(blank, PartialResults(logits.T, np.log(joint) - np.log1p(-joint), unused, unused))
    fits = [_logistic(given, regret) for regret in _regrets(part, first, blank.paths, best)]
    return blank.model_copy(update={"weights": tuple(w for w, _ in fits), "bias": tuple(b for _, b in fits)})


def _everything(board: Board, first: Sequence[str]) -> Router:
    """Regrets every path but the last, whatever is said."""
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
    """A sentence for people where what the first experts say changes nothing."""
    if router is None or np.any(router.weights):
        return ""
    return " Nothing that the first experts say tells routes apart: every piece that has them takes the same one."


def _paths(board: Board, first: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Every set of the other experts, cheap ones first; of many, none, each one and all."""
    costs = dict(zip(board.scored.experts, board.costs_ms.tolist(), strict=True))
    rest = sorted(set(board.scored.experts) - set(first))
    sizes = range(len(rest) + 1) if 2 ** len(rest) <= MAX_PATHS else (0, 1, len(rest))
    paths = chain.from_iterable(combinations(rest, size) for size in sizes)
    return tuple(sorted(paths, key=lambda path: (sum(costs[name] for name in path), len(path), path)))


def _regrets(board: Board, first: Sequence[str], paths: Sequence[Sequence[str]], best: ExpertSet) -> list[Scores]:
    """Per path and piece, at what share of the limits it decides otherwise than the set that is best for all.

    Against the label instead, the noise of pieces that no path can tell drowns what a path costs: at equal computing
    the routes found two to seven points less recall.
    """
    reference = board.scores(board.able(best))
    limits = np.array([limit(reference, board.scored.labels, rate) for rate in LIMIT_RATES])[:, None]
    scores = (board.scores(board.able(frozenset((*first, *path)))) for path in paths)
    return [((path_scores > limits) != (reference > limits)).mean(0) for path_scores in scores]


def _logistic(given: Scores, regret: Scores) -> tuple[tuple[float, ...], float]:
    """Weights and bias of a logistic regression on shares; where there is nothing to tell apart, the mean alone."""
    share = (regret.sum() + 0.5) / (len(regret) + 1.0)
    if min(regret.sum(), (1 - regret).sum()) < 1:
        return (0.0,) * given.shape[1], float(np.log(share / (1 - share)))
    twice, happens = np.concatenate([given, given]), np.arange(2 * len(given)) < len(given)
    model = LogisticRegression(max_iter=2000).fit(twice, happens, sample_weight=np.concatenate([regret, 1 - regret]))
    return tuple(model.coef_[0].tolist()), float(model.intercept_[0])
