"""Holds the counts of the parity gate, compares them with a limit, and writes both as text. Runs no model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fusion.certificate import rate_below
from inspector.bundle.schema import Parity
from inspector.dataset.manifest import Label
from inspector.parity.schema import ENOUGH_PIECES, Entry, Prediction

CONFIDENCE = 0.95
PROVABLE = 0.002
"""Share of flips that users usually want proven."""


class Change(Entry):
    """A piece with the predictions of oracle and engine."""

    piece_id: str
    """As in the parity set."""
    label: Label
    """As in the parity set."""
    expected: Prediction
    """By the oracle."""
    found: Prediction
    """By the engine."""

    @property
    def flips(self) -> bool:
        return self.expected.decision != self.found.decision

    @property
    def new_pass(self) -> bool:
        return self.flips and self.label == "nok" and self.found.decision == "PASS"

    @property
    def rerouted(self) -> bool:
        return (self.expected.route, self.expected.experts) != (self.found.route, self.found.experts)

    @property
    def difference(self) -> float:
        """Of calibrated scores; 1, the maximum, where only one of the two has a score."""
        expected, actual = self.expected.score, self.found.score
        if expected is None or actual is None:
            return float(expected is not actual)
        return abs(expected - actual)


class ParityReport(Entry):
    """Result of one engine on a parity set."""

    bundle: str
    """Name of the bundle."""
    engine: str
    """Engine and precision, such as onnx/fp32."""
    num_pieces: int
    """Pieces that ran."""
    num_calibration: int
    """Pieces that the set was chosen from."""
    max_difference: float
    """Of calibrated scores."""
    changes: tuple[Change, ...]
    """Flips and changed routes, in the order of the set."""

    @property
    def flips(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.flips)

    @property
    def new_passes(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.new_pass)

    @property
    def route_changes(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.rerouted)

    @property
    def flips_below(self) -> float:
        """Share of flips that the count proves at 95 %, one-sided."""
        return rate_below(self.num_pieces, len(self.flips), CONFIDENCE)

    def parity(self) -> Parity:
        """The part that a bundle's manifest keeps."""
        return Parity(
            num_pieces=self.num_pieces,
            flips=len(self.flips),
            new_passes=len(self.new_passes),
            route_changes=len(self.route_changes),
            max_difference=self.max_difference,
            flips_below=self.flips_below,
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """How many decisions of the line an engine may change."""

    max_flips: float = 0.002
    """Share of the set's pieces; one piece at least, unless it is 0."""

    def allowed(self, num_pieces: int) -> int:
        """Pieces that may flip. No defective piece may newly PASS, whatever the share."""
        return max(1, math.floor(self.max_flips * num_pieces + 1e-9)) if self.max_flips else 0


def passed(report: ParityReport, limit: Limit) -> bool:
    return not report.new_passes and len(report.flips) <= limit.allowed(report.num_pieces)


def words(report: ParityReport, limit: Limit) -> list[str]:
    """Lines for people: the outcome, what it proves, and the pieces that flipped."""
    num, flips, new = report.num_pieces, len(report.flips), len(report.new_passes)
    outcome = "passed" if passed(report, limit) else "REFUSED"
    return [
        f"{report.engine}: {outcome}: {flips} of {num} decisions flip (allowed: {limit.allowed(num)}), {new} new PASS "
        f"of a defective piece (allowed: 0), {len(report.route_changes)} routes change, scores differ by at most "
        f"{report.max_difference:.2g}",
        f"proven at {CONFIDENCE:.0%}: at most {100 * report.flips_below:.3g} % of decisions flip{_short(report)}",
        *(_line(change) for change in report.flips),
    ]


def _short(report: ParityReport) -> str:
    if report.flips_below <= PROVABLE:
        return ""
    needed = math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-PROVABLE))
    text = f"; to prove {100 * PROVABLE:g} % takes {needed} pieces without a flip"
    return text + (f". {few(report.num_pieces, report.num_calibration)}" if report.num_pieces < ENOUGH_PIECES else "")


def few(num_pieces: int, num_calibration: int) -> str:
    """Why a set is smaller than it should be."""
    share = f"all {num_pieces}" if num_pieces == num_calibration else f"{num_pieces} of {num_calibration}"
    return f"The set has {share} calibration pieces, fewer than the {ENOUGH_PIECES} expected"


def _line(change: Change) -> str:
    worse = ": NEW PASS OF A DEFECTIVE PIECE" if change.new_pass else ""
    expected, actual = _text(change.expected), _text(change.found)
    return f"  {change.piece_id} ({change.label}): {expected} by the oracle, {actual} here{worse}"


def _text(prediction: Prediction) -> str:
    return f"{prediction.decision} " + ("without a score" if prediction.score is None else f"{prediction.score:.6f}")


def as_json(reports: Sequence[ParityReport], limit: Limit) -> list[dict[str, object]]:
    """For machines: figures, outcome, and every piece that changed."""
    return [
        {
            "bundle": report.bundle,
            "engine": report.engine,
            "passed": passed(report, limit),
            "allowed_flips": limit.allowed(report.num_pieces),
            **report.parity().model_dump(),
            "changes": [change.model_dump(mode="json") for change in report.changes],
        }
        for report in reports
    ]
