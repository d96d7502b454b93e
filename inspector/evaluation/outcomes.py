"""Turns the service's decisions on labelled pieces into shares, also without one modality. Runs no expert."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels
from inspector.dataset.labels import units_of
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


def outcomes(pieces: Examined) -> dict[str, Outcome]:
    """By the modality removed from every piece; first without any removed."""
    schema = pieces.model.schema
    removed = [None, *(modality.name for modality in schema.modalities)]
    return {name or NOTHING: _outcome(pieces, pieces.routed(schema.policy, name)[1]) for name in removed}


def _outcome(pieces: Examined, findings: Sequence[RoutedResult]) -> Outcome:
    bad = np.array([row.label == "nok" for row in pieces.rows])
    everything = np.ones(len(bad), np.bool_)
    decisions = np.array([finding.ruling.decision for finding in findings])
    passed, failed = decisions == pb.DECISION_PASS, decisions == pb.DECISION_FAIL
    return Outcome(
        recall=_share(pieces, ~passed, bad),
        caught=_share(pieces, failed, bad),
        false_rejects=_share(pieces, failed, ~bad),
        review=_share(pieces, ~passed & ~failed, everything),
        passed=int(passed.sum()),
    )


def _share(pieces: Examined, so: Labels, among: Labels) -> Interval:
    units = [
        units_of(row, pieces.model.schema.modalities) for row, counts in zip(pieces.rows, among, strict=True) if counts
    ]
    return mean_by_units(so[among], units, seed=0)
