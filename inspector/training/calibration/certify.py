"""Turns routed scores of labelled pieces into the certificate of the bundle's miss rate.

Letters: P pieces, L limits.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from mapie.risk_control import BinaryClassificationController

from fusion.calibration import Labels, Scores, probability
from fusion.certificate import certifiable_level, further_defects, independent, last_valid
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Certificate, Claim
from inspector.training.config import Acceptance

SHARES = np.linspace(0.01, 1.0, 100)
"""Shares of the good training pieces that pass at the tested limits."""


class CertificateError(ValueError):
    """The certificate disagrees with mapie; the message names both limits."""


FIXED_LIMITS = np.geomspace(1e-3, 0.5, 40)
"""Tested limits if no training piece has an out-of-fold score (a fitted head, networks from scratch)."""


def routed_scores(scored: Scored, ran: Sequence[ExpertSet], calibrations: Mapping[ExpertSet, Calibration]) -> Scores:
    """(P,) calibrated defect scores if these experts run on each piece; NaN where none does."""
    scores = np.full(len(scored.labels), np.nan)
    for experts in set(ran) - {frozenset[str]()}:
        rows = np.array([names == experts for names in ran])
        calibration = calibrations[experts]
        scores[rows] = probability(scored.of(experts)[rows], calibration.temperature, calibration.bias)
    return scores


def certify(scores: Scores, scored: Scored, acceptance: Acceptance) -> Certificate:
    """`scores` (P,): calibrated defect scores of the pieces as routed, NaN where no expert could run.

    Training pieces fix the tested limits; the evidence is unseen by the encoders, and each recording counts once. Head,
    calibrations and routes are chosen from cross-fitted scores of the same pieces, so the certificate is approximate in
    these few numbers.
    """
    able, limits = ~np.isnan(scores), limits_to_test(scores, scored)
    defects = scores[able & scored.unseen & scored.labels][evidence(scored, able)]
    good = scores[able & scored.unseen & ~scored.labels]
    certificate = claims(limits, defects, good, acceptance)
    for claim in (certificate.claim, certificate.nearest):
        if claim is not None:
            _compare_with_mapie(limits, defects, claim, acceptance.confidence)
    bad = scores[able & scored.labels]
    sure_below = float(bad.min()) if len(bad) else 0.0
    return certificate.model_copy(update={"sure_below": sure_below})


def limits_to_test(scores: Scores, scored: Scored) -> Scores:
    """Ascending limits, fixed before any unseen piece is used."""
    seen_good = scores[~np.isnan(scores) & ~scored.unseen & ~scored.labels]
    if not len(seen_good):
        return FIXED_LIMITS
    limits: Scores = np.unique(np.quantile(seen_good, SHARES))
    return limits


def evidence(scored: Scored, able: Labels) -> list[int]:
    """Independent pieces, as indices into the unseen defective pieces with a score: no two share a unit."""
    rows = np.flatnonzero(able & scored.unseen & scored.labels)
    return independent([scored.piece_ids[row] for row in rows], [scored.units[row] for row in rows])


def claims(limits_L: Scores, defects: Scores, good: Scores, acceptance: Acceptance) -> Certificate:
    """The certificate from scores of independent defects and of good pieces, at limits fixed beforehand."""
    miss_rate, confidence, num = acceptance.certify_miss_rate, acceptance.confidence, len(defects)
    misses = [int(np.sum(defects < limit)) for limit in limits_L]
    passing = [float(np.mean(good < limit)) if len(good) else 0.0 for limit in limits_L]

    def claim(level: float) -> Claim | None:
        """None if no limit is valid, or if the last valid one passes no good piece."""
        last = last_valid(misses, num, level, confidence) if level < 1 else None
        if last is None or passing[last] == 0:
            return None
        limit, held = float(limits_L[last]), 1 - passing[last]
        return Claim(miss_rate=level, pass_below=limit, num_misses=misses[last], good_held=held)

    useful = next((index for index, share in enumerate(passing) if share > 0), None)
    missed = 0 if useful is None else misses[useful]
    nearest = claim(certifiable_level(num, missed, confidence)) if useful is not None else None
    return Certificate(
        miss_rate=miss_rate,
        confidence=confidence,
        num_defects=num,
        claim=claim(miss_rate),
        nearest=nearest,
        needs=further_defects(num, 0 if nearest is None else nearest.num_misses, miss_rate, confidence),
        sure_below=0.0,
    )


def _compare_with_mapie(limits_L: Scores, defects: Scores, claim: Claim, confidence: float) -> None:
    """Raises CertificateError unless mapie gives the same limit."""
    controller = BinaryClassificationController(
        lambda rows: np.column_stack([1 - rows, rows]),
        risk="recall",
        target_level=1 - claim.miss_rate,
        confidence_level=confidence,
        list_predict_params=limits_L,
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        # It warns if all limits are valid, or if all scores are 0 or 1: both are possible here.
        warnings.simplefilter("ignore", UserWarning)
        controller.calibrate(defects, np.ones(len(defects), np.int64))
    theirs: Sequence[float] = controller.valid_predict_params.tolist()
    if not theirs or theirs[-1] != claim.pass_below:
        their_limit = theirs[-1] if theirs else None
        raise CertificateError(
            f"mapie certifies {claim.miss_rate:.2%} below {their_limit}, inspector below {claim.pass_below}: "
            "report this as a bug"
        )
