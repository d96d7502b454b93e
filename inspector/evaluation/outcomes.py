"""Turns the service's decisions on labelled pieces into shares, also without one modality. Runs no expert."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels
from inspector.dataset.labels import units_of
from inspector.dataset.progress import Count, uncounted
from inspector.evaluation.run import Examined
from inspector.judging.routing import RoutedResult
from inspector.statistics.bootstrap import Interval, mean_by_units
from protos.inspection.v1 import verdict_pb2 as pb

NOTHING = "nothing"


@dataclass(frozen=True)
class Outcome:
    """Of all pieces, as the service decides them by the recipe of the evaluation."""

    recall: Interval
    """Defective pieces that FAIL or go to REVIEW."""
    caught: Interval
    """Defective pieces that FAIL."""
    false_rejects: Interval
    """Good pieces that FAIL."""
    review: Interval
    """Of all pieces."""
    passed: int


def outcomes(pieces: Examined, progress: Count = uncounted) -> dict[str, Outcome]:
    """By the modality removed from every piece; first without any removed. `progress` counts them."""
    schema = pieces.model.schema
    removed = [None, *(modality.name for modality in schema.modalities)]
    result = {}
    for done, name in enumerate(removed, 1):
        result[name or NOTHING] = _outcome(pieces, pieces.routed(schema.policy, name)[1])
        progress(done, len(removed))
    return result


def _outcome(pieces: Examined, findings: Sequence[RoutedResult]) -> Outcome:
    return outcome_of(
        [finding.ruling.decision for finding in findings],
        np.array([row.label == "nok" for row in pieces.rows]),
        [units_of(row, pieces.model.schema.modalities) for row in pieces.rows],
    )


def outcome_of(decisions: Sequence[pb.Decision], bad: Labels, units: Sequence[Collection[str]]) -> Outcome:
    """Of pieces with their labels (true is defective) and the independent recordings behind each."""
    decided, everything = np.array(decisions), np.ones(len(bad), np.bool_)
    passed, failed = decided == pb.DECISION_PASS, decided == pb.DECISION_FAIL
    return Outcome(
        recall=_share(~passed, bad, units),
        caught=_share(failed, bad, units),
        false_rejects=_share(failed, ~bad, units),
        review=_share(~passed & ~failed, everything, units),
        passed=int(passed.sum()),
    )


def _share(so: Labels, among: Labels, units: Sequence[Collection[str]]) -> Interval:
    return mean_by_units(so[among], [unit for unit, counts in zip(units, among, strict=True) if counts], seed=0)
