"""Fits a learned router: from the regret of each path on scored pieces to a few plain numbers. Chooses no policy."""

from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
from sklearn.linear_model import LogisticRegression

from fusion.calibration import Labels, Scores
from fusion.router import Glances, inputs
from inspector.bundle.schema import Router
from inspector.training.frontier import FALSE_REJECT_RATE, Board, limit

MAX_PATHS = 8


def fit_router(board: Board, first: Sequence[str]) -> Router:
    """Logistic regressions of each path's regret on what the first experts say."""
    scored = board.scored
    rows = [scored.experts.index(name) for name in first]
    whole = np.flatnonzero(~np.isnan(scored.expert_logits[rows]).any(0))
    part = Board(scored.take(whole), board.probabilities[:, whole], board.costs_ms)
    logits = part.scored.expert_logits[rows]
    labels = part.scored.labels
    dense = part.scores(part.able(frozenset(scored.experts)))
    threshold = float(np.clip(limit(dense, labels, FALSE_REJECT_RATE), 0.05, 0.95))
    middles = [(np.median(own[labels]) + np.median(own[~labels])) / 2 for own in logits]
    paths = _paths(board, first)
    blank = Router(
        first=tuple(first),
        centre=tuple(float(middle) for middle in middles),
        scale=tuple(max(float(own.std()), 1e-3) for own in logits),
        threshold=float(np.log(threshold / (1 - threshold))),
        paths=paths,
        weights=((0.0,) * 2 * (len(first) + 1),) * len(paths),
        bias=(0.0,) * len(paths),
        experts=scored.experts,
        costs_ms=tuple(board.costs_ms.tolist()),
    )
    joint = part.scores([frozenset(first)] * len(labels)).clip(1e-9, 1 - 1e-9)
    unused = np.zeros((len(labels), 0), bool)
    given = inputs(blank, Glances(logits.T, np.log(joint) - np.log1p(-joint), unused, unused))
    # Bayes: at this threshold one miss weighs as much as threshold / (1 - threshold) false rejects.
    worth = np.where(labels, 1 - threshold, threshold)
    fits = [_logistic(given, regret, worth) for regret in _regrets(part, first, paths, threshold)]
    return blank.model_copy(update={"weights": tuple(w for w, _ in fits), "bias": tuple(b for _, b in fits)})


def _paths(board: Board, first: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Every set of the other experts, cheap ones first; of many, none, each one and all."""
    costs = dict(zip(board.scored.experts, board.costs_ms.tolist(), strict=True))
    rest = sorted(set(board.scored.experts) - set(first))
    sizes = range(len(rest) + 1) if 2 ** len(rest) <= MAX_PATHS else (0, 1, len(rest))
    found = chain.from_iterable(combinations(rest, size) for size in sizes)
    return tuple(sorted(found, key=lambda path: (sum(costs[name] for name in path), len(path), path)))


def _regrets(board: Board, first: Sequence[str], paths: Sequence[Sequence[str]], threshold: float) -> list[Labels]:
    """Per path, whether it decides a piece wrongly that another path decides rightly."""
    labels = board.scored.labels
    scores = [board.scores(board.able(frozenset((*first, *path)))) for path in paths]
    wrong = np.stack([(np.nan_to_num(own) > threshold) != labels for own in scores])
    return list(wrong & ~wrong.all(0))


def _logistic(given: Scores, regret: Labels, worth: Scores) -> tuple[tuple[float, ...], float]:
    """Weights and bias; where there is nothing to tell apart, the share alone."""
    share = (worth[regret].sum() + 0.5) / (worth.sum() + 1.0)
    if regret.sum() < 3 or (~regret).sum() < 3:
        return (0.0,) * given.shape[1], float(np.log(share / (1 - share)))
    found = LogisticRegression(C=1.0, max_iter=1000).fit(given, regret, sample_weight=worth / worth.mean())
    return tuple(found.coef_[0].tolist()), float(found.intercept_[0])
