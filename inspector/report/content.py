"""What a report shows, from an evaluation or a training. Computes nothing.

Letters: P pieces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.bundle.schema import Calibration
from inspector.dataset.manifest import PieceRow
from inspector.evaluation.class_figures import ClassReport
from inspector.evaluation.dominance import Dominance
from inspector.evaluation.outcomes import Outcome
from inspector.evaluation.run import Shown
from inspector.recipe.decision import Limits
from inspector.statistics.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class ReportedPiece:
    """One labelled piece with its decision."""

    row: PieceRow
    decision: str
    """PASS, FAIL or REVIEW."""
    reason: str
    """Such as `MISSING_MODALITY`."""
    score: float | None
    units: frozenset[str]
    """The independent recordings behind it."""

    @property
    def is_defective(self) -> bool:
        return self.row.label == "nok"

    @property
    def is_wrong(self) -> bool:
        """An escape or a false reject."""
        return self.decision == ("PASS" if self.is_defective else "FAIL")


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """One kind of score on all pieces."""

    name: str
    scores: Scores
    """(P,) NaN where a piece has none."""
    area: Interval
    """Under the curve."""
    limits: Limits | None
    """With which these scores are decided; None: they are not."""


@dataclass(frozen=True)
class ChoiceRow:
    """One choice of a training, in words."""

    subject: str
    chosen: str
    alternative: str
    gain: str
    groups: str
    reason: str


@dataclass(frozen=True, eq=False)
class Content:
    """Everything that a report shows; the page makes tables, plots and advice of it."""

    title: str
    about: tuple[str, ...]
    """Sentences on where the figures come from."""
    pieces: Sequence[ReportedPiece]
    outcome: Outcome
    curves: Sequence[ScoreCurve]
    """First the score that decides; none where no score has good and defective pieces."""
    calibration: Calibration
    """Of all experts together, with its limits."""
    limits: Limits
    """As applied."""
    promise: str
    """What is certified about misses."""
    dominance: Dominance
    classes: ClassReport | None
    """None where no class is known."""
    shown: Mapping[str, Shown]
    """By piece id, those that `worst` names."""
    advice: Sequence[str] = ()
    """Warnings, each with its remedy."""
    choices: Sequence[ChoiceRow] = ()
    about_classes: str = ""
    """Which pieces the figures of classes rest on, where these are not all."""
    notes: Sequence[str] = ()
    """Further sentences on limits, routes and experts."""

    @property
    def labels(self) -> Labels:
        return labels_of(self.pieces)


def labels_of(pieces: Sequence[ReportedPiece]) -> Labels:
    return np.array([piece.is_defective for piece in pieces], np.bool_)
