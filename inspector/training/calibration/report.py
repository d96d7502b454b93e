"""Says what limits and calibrations rest on: chosen, alternative, interval, independent pieces; and what more evidence
would allow."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Scores
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, LimitEvidence
from inspector.training.advice import Advice
from inspector.training.calibration.bounds import enough_to_count
from inspector.training.calibration.limits import choose_limits, log_odds_of
from inspector.training.calibration.pooled import pooled_lines
from inspector.training.calibration.scales import SURE, shared_scale
from inspector.training.calibration.thresholds import pieces_of
from inspector.training.config import Acceptance

ALTERNATIVE_REVIEW = 0.15
"""Share of REVIEW for which the report says what the limits would promise."""
WIDER = 0.05
"""Least share of all pieces that few evidence sends to REVIEW, for a warning."""


@dataclass(frozen=True)
class CalibrationReport:
    lines: tuple[str, ...]
    """Sentences for the model card and the log."""
    warnings: tuple[Advice, ...]


def calibration_report(
    scored: Scored,
    calibrations: Mapping[ExpertSet, Calibration],
    whole: Collection[ExpertSet],
    acceptance: Acceptance,
    seed: int,
) -> CalibrationReport:
    """`whole`: the sets that cover all modalities."""
    chosen = calibrations[frozenset(scored.experts)]
    lines = [*_limit_lines(scored, chosen, acceptance), *pooled_lines(scored, whole, seed)]
    return CalibrationReport(tuple(lines), tuple(_warnings(scored, chosen)))


def _limit_lines(scored: Scored, chosen: Calibration, acceptance: Acceptance) -> Iterator[str]:
    if chosen.pass_evidence is None or chosen.fail_evidence is None:
        yield f"PASS below {chosen.pass_below:.3g} and FAIL above {chosen.fail_above:.3g} follow from the costs alone."
        return
    yield _limit_line(f"FAIL above {chosen.fail_above:.4g}", "good", "fail", chosen.fail_evidence)
    yield _limit_line(f"PASS below {chosen.pass_below:.3g}", "defective", "pass", chosen.pass_evidence)
    yield _review_line(scored, chosen, acceptance)


def _limit_line(limit: str, kind: str, decision: str, evidence: LimitEvidence) -> str:
    few = "" if evidence.method == "count" else f", too few to count ({_needed(evidence)} are enough)"
    return (
        f"{limit}, rather than {evidence.observed_limit:.3g} that these pieces alone would give: at most "
        f"{evidence.rate:.2%} of {kind} pieces {decision}, at {evidence.confidence:.0%} confidence by "
        f"{evidence.num_pieces} independent ones{few}; of these, {evidence.beyond:.2%} do."
    )


def _needed(evidence: LimitEvidence) -> int:
    return enough_to_count(evidence.rate, evidence.confidence)


def _review_line(scored: Scored, chosen: Calibration, acceptance: Acceptance) -> str:
    log_odds = _log_odds(scored, chosen)
    share = np.mean((log_odds >= log_odds_of(chosen.pass_below)) & (log_odds <= log_odds_of(chosen.fail_above)))
    text = f"REVIEW takes {share:.0%} of these pieces"
    if share <= ALTERNATIVE_REVIEW or acceptance.review_share <= ALTERNATIVE_REVIEW:
        return f"{text}."
    pieces = pieces_of(scored, frozenset(scored.experts), shared_scale(scored))
    other = choose_limits(pieces, acceptance, ALTERNATIVE_REVIEW)
    return (
        f"{text}. With review_share = {ALTERNATIVE_REVIEW}, up to {other.misses.rate:.1%} of defective pieces would "
        f"pass and {other.false_rejects.rate:.1%} of good ones fail."
    )


def _log_odds(scored: Scored, chosen: Calibration) -> Scores:
    logits = scored.of(frozenset(scored.experts))
    log_odds: Scores = (logits[~np.isnan(logits)] / chosen.temperature + chosen.bias).clip(-SURE, SURE)
    return log_odds


def _warnings(scored: Scored, chosen: Calibration) -> Iterator[Advice]:
    """Whatever was relaxed, and whatever REVIEW takes because independent pieces are few."""
    log_odds = _log_odds(scored, chosen)
    review = (log_odds >= log_odds_of(chosen.pass_below)) & (log_odds <= log_odds_of(chosen.fail_above))
    sides = (("defective", "pass", chosen.pass_evidence, -1), ("good", "fail", chosen.fail_evidence, 1))
    for kind, decision, evidence, sign in sides:
        if evidence is None:
            continue
        if evidence.rate > evidence.target_rate:
            yield Advice("limits", _relaxed(kind, decision, evidence))
        wider = float(np.mean(review & (sign * log_odds > sign * log_odds_of(evidence.observed_limit))))
        if evidence.method != "count" and wider >= WIDER:
            yield Advice("limits", _wider(kind, decision, evidence, wider))


def _relaxed(kind: str, decision: str, evidence: LimitEvidence) -> str:
    return (
        f"review_share left no room for {evidence.target_rate:.1%} of {kind} pieces that {decision}, and the limit "
        f"promises {evidence.rate:.1%}: leave review_share out, or record more independent pieces "
        f"({evidence.num_pieces} {kind} ones here)"
    )


def _wider(kind: str, decision: str, evidence: LimitEvidence, wider: float) -> str:
    return (
        f"{evidence.num_pieces} independent {kind} pieces are too few to count that at most {evidence.rate:.1%} "
        f"{decision}, so {wider:.0%} of the pieces go to REVIEW for this reason alone: record "
        f"{_needed(evidence) - evidence.num_pieces} more {kind} pieces that share no recording, or set review_share"
    )
