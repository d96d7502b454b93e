"""Reports why encoders were or were not fitted again on the calibration pieces too, and what it gained on these."""

import numpy as np

from fusion.scored import Scored
from inspector.bundle.schema import Certificate
from inspector.statistics.evidence import Choice
from inspector.statistics.ranking_evidence import weigh_ranking

AGAIN, FIRST = "encoders fitted again on both splits", "encoders of the training split"
SUBJECT = "Refit"
MORE_RECORDINGS = "more recordings to fit on, and nothing was certifiable without them"
RANKS_WORSE = "fitted again, they rank worse by more than one standard error"


def not_refitted(certificate: Certificate, reason: str) -> Choice:
    """The choice for encoders that are not fitted again."""
    groups = f"{certificate.num_defects} independent defects of the calibration split"
    return Choice(SUBJECT, FIRST, AGAIN, None, groups, reason)


def compare_refit(first: Scored, again: Scored) -> tuple[bool, Choice]:
    """Whether to ship the encoders that were fitted again: unless they rank the calibration pieces worse by an error.

    Each is scored by encoders that have not seen its group: once of the training split, once of the other folds of both
    splits. More recordings are the prior reason, and the calibration split could certify nothing in exchange; but with
    few groups of defects, experts out of fold may rank below chance, and their scales are then fitted on that.
    """
    row = {piece_id: index for index, piece_id in enumerate(again.piece_ids)}
    common = np.array([unseen and name in row for name, unseen in zip(first.piece_ids, first.unseen, strict=True)])
    before, after = first.take(common), again.take(np.array([row[p] for p in first.take(common).piece_ids], np.intp))
    everything = frozenset(first.experts)
    scores = after.of(everything)[None]
    evidence = weigh_ranking(scores, before.of(everything), before.labels, before.units, [AGAIN], seed=0)
    (gain,) = evidence.gains
    worse = gain.mean < -gain.error
    chosen, other = (FIRST, AGAIN) if worse else (AGAIN, FIRST)
    reason = RANKS_WORSE if worse else MORE_RECORDINGS
    return not worse, Choice(
        SUBJECT, chosen, other, None if np.isnan(gain.mean) else gain, evidence.groups(), reason, "AUC"
    )
