"""Puts the figures of lines with few independent recordings into one table: distributions over the draws."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import binom

from fusion.calibration import Scores
from tests.benchmarks.evidence.accuracy import FUSED, NOISY_OR, ROUTED
from tests.benchmarks.evidence.small_draws import DRAWS
from tests.benchmarks.evidence.small_result import Result
from tests.benchmarks.evidence.table import Table

PEER = "simple peer"
COLUMNS = ("set", "groups", "difference", "draws", "mean", "median", "worst decile", "draws that lose")
DIFFERENCES: Mapping[str, tuple[str, str]] = {
    "fused - noisy-or": (FUSED, NOISY_OR),
    "routed - all experts": (ROUTED, FUSED),
    "fused - simple peer": (FUSED, PEER),
}
LOST_AUC = 0.01
CHANCE_LEVEL = 0.05
"""Promised false rejects would show as many failed groups as were seen, or more, in at most this share of tests."""

Figure = Callable[[Scores], float]
Rows = list[list[str]]


def table(results: Sequence[Result]) -> Table:
    names = list(dict.fromkeys(result.draw.name for result in results))
    rows = []
    for name in [*names, "all"]:
        for share in [*DRAWS, None]:
            chosen = [
                result for result in results if name in ("all", result.draw.name) and share in (None, result.draw.share)
            ]
            if chosen and (name == "all") == (share is None):
                rows += _rows(name, "all" if share is None else f"{share:.0%}", chosen)
    return Table(
        name="small",
        title="Lines with few independent recordings",
        question="Lines with 25 to 100 % of the independent groups of training and calibration, tested on the whole "
        "test split: AUC, then accuracy. Goal over all draws: fused - noisy-or with a mean of at least 0 and a worst "
        "decile of at least -.01 AUC; routed - all experts with a worst decile of at least -.01 AUC and -.01 accuracy "
        "where a router ships; fused above the simple peer in the mean at every size; good pieces that fail above "
        "their promise, beyond the noise of the test split, in no more draws than chance gives.",
        columns=COLUMNS,
        rows=rows,
        notes=[*_definitions(), *_chosen(results)],
    )


def _rows(name: str, share: str, results: Sequence[Result]) -> Rows:
    rows = [*_compared(results), *_kept(results), *_false_rejects(results), *_review(results)]
    return [[name, share, *row] for row in rows]


def _compared(results: Sequence[Result]) -> Rows:
    rows = []
    for title, (first, second) in DIFFERENCES.items():
        used = [r for r in results if first != ROUTED or r.policy != "dense"]
        if used:
            auc, accuracy = np.array([result.difference(first, second) for result in used]).T
            figures = [f"{figure(auc):+.3f} / {figure(accuracy):+.3f}" for figure in (_mean, _median, _lowest_decile)]
            rows.append([title, str(len(used)), *figures, _losing(auc)])
    return rows


def _kept(results: Sequence[Result]) -> Rows:
    """By modality with candidates that were left out."""
    by_draw = [result.kept_minus_left_out() for result in results]
    rows = []
    for modality in dict.fromkeys(name for differences in by_draw for name in differences):
        auc = np.array([differences[modality] for differences in by_draw if modality in differences])
        figures = [f"{figure(auc):+.3f}" for figure in (_mean, _median, _lowest_decile)]
        rows.append([f"kept - best left out, {modality}", str(len(auc)), *figures, _losing(auc)])
    return rows


def _losing(auc: Scores) -> str:
    return f"{int((auc < -LOST_AUC).sum())} of {len(auc)} below -.01"


def _false_rejects(results: Sequence[Result]) -> Rows:
    """Against what was asked, and against the promise where a bundle states another."""
    against_request = _failing("good pieces that fail - asked", results, lambda result: result.promised)
    against_promise = _failing("good pieces that fail - promised", results, lambda result: result.promise)
    unstated = all(result.stated is None for result in results)
    return [against_promise] if unstated else [against_request, against_promise]


def _failing(title: str, results: Sequence[Result], rate: Callable[[Result], float]) -> list[str]:
    over = np.array([result.false_rejects - rate(result) for result in results])
    figures = [f"{figure(over):+.3f}" for figure in (_mean, _median, _highest_decile)]
    judged = [result for result in results if result.good_groups is not None]
    beyond = sum(beyond_chance(result, rate(result)) for result in judged)
    counts = f"{int((over > 0).sum())} of {len(over)} above, {beyond} of {len(judged)} beyond chance"
    return [title, str(len(results)), *figures, counts]


def beyond_chance(result: Result, rate: float) -> bool:
    """Whether this many independent good pieces would rarely fail if the rate were kept (one-sided binomial)."""
    if result.good_groups is None or result.failed_groups is None:
        return False
    return bool(binom.sf(result.failed_groups - 1, result.good_groups, rate) <= CHANCE_LEVEL)


def _review(results: Sequence[Result]) -> Rows:
    shares = np.array([result.review_share for result in results if result.review_share is not None])
    if not len(shares):
        return []
    return [
        ["REVIEW", str(len(shares)), *(f"{figure(shares):.3f}" for figure in (_mean, _median, _highest_decile)), ""]
    ]


def _mean(values: Scores) -> float:
    return float(values.mean())


def _median(values: Scores) -> float:
    return float(np.median(values))


def _lowest_decile(values: Scores) -> float:
    return float(np.quantile(values, 0.1))


def _highest_decile(values: Scores) -> float:
    return float(np.quantile(values, 0.9))


def _definitions() -> list[str]:
    return [
        "Kept - best left out: AUC on the modality's own labels of the sum of the kept experts' calibrated log-odds, "
        "minus that of the best candidate left out, fitted on the same pieces. The best is the best on the test "
        "pieces, which training cannot know: 0 is out of reach in the mean.",
        "Promised: the rate that a bundle states for its FAIL limits, where it does; else the rate asked of training.",
        f"Beyond chance: among good test pieces of which no two share a recording, so many fail that a kept promise "
        f"would show it in at most {CHANCE_LEVEL:.0%} of tests.",
        "The scored pieces of every draw are kept: they may be looked at again, but nothing may be tuned on the test "
        "pieces among them.",
    ]


def _chosen(results: Sequence[Result]) -> list[str]:
    moved = sum(result.head_steps > 0 for result in results)
    policies = {kind: sum(result.policy == kind for result in results) for kind in {r.policy for r in results}}
    shown = ", ".join(f"{kind} {count}" for kind, count in sorted(policies.items()))
    return [f"Chosen: a fitted head in {moved} of {len(results)} draws; policies: {shown}."]
