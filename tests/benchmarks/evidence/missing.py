"""Table: decisions on the pieces of the test splits when a camera or sensor fails."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.bundle.load import load
from inspector.bundle.schema import Bundle
from protos.inspection.v1 import verdict_pb2 as pb
from tests.benchmarks.evidence.as_routed import Routed, as_routed, without
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

NOTHING = "nothing"
COLUMNS = (
    "set",
    "removed",
    "recall (FAIL or REVIEW)",
    "defective: FAIL",
    "defective: REVIEW",
    "good: FAIL",
    "REVIEW of all",
    "PASS",
    "defective that would pass were it optional",
    "median score of good pieces",
)


@dataclass(frozen=True)
class Outcome:
    """Of one test split, every modality required."""

    recall: float
    bad_failed: float
    bad_reviewed: float
    good_failed: float
    reviewed: float
    passed: int
    optional_escapes: float
    good_score: float


def run(bench: Bench) -> Table:
    by_removed: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    bundle_rows = {}
    for name in bench.sets():
        for trained in (bench.trained(name, seed) for seed in bench.seeds):
            outcomes = _outcomes(trained)
            bundle_rows[trained.key] = [_row(name, removed, [outcome]) for removed, outcome in outcomes.items()]
            for removed, outcome in outcomes.items():
                by_removed[name, removed].append(outcome)
    lacking = {key: outcomes for key, outcomes in by_removed.items() if key[1] != NOTHING}
    silent = sum(outcome.passed for outcomes in lacking.values() for outcome in outcomes)
    risen = sum(
        partial.good_score > full.good_score
        for (name, _), outcomes in lacking.items()
        for partial, full in zip(outcomes, by_removed[name, NOTHING], strict=True)
    )
    return Table(
        name="missing",
        title="A modality that is missing",
        question="With each modality removed from the test pieces: the share of defects still detected, and silent "
        "PASS (goal: 0).",
        columns=COLUMNS,
        rows=[_row(name, removed, outcomes) for (name, removed), outcomes in by_removed.items()],
        notes=[
            f"PASS with a modality removed, all rows together: {silent}.",
            "Mean ± spread over benchmark seeds; the remaining experts decide, with their separate "
            "calibration and limits.",
            f"A missing source adds doubt: the median score of good pieces rises in {risen} of "
            f"{sum(map(len, lacking.values()))} cases (set, modality, seed).",
            "Recall is 1 without a modality because REVIEW counts as detected: a person looks at every piece that does "
            "not fail. The share that fails is detected by the remaining sensor alone.",
            "The service sends a piece without any picture to REVIEW before it uses the sound; the rows without the "
            "only camera show the decisions of the sensor alone.",
            "The last column but one is the reason that a modality is required unless a recipe makes it optional.",
        ],
        bundle_rows=bundle_rows,
    )


def _outcomes(trained: Trained) -> Mapping[str, Outcome]:
    schema = load(trained.bundle).schema
    modalities = [modality.name for modality in schema.modalities]
    outcomes = {NOTHING: _outcome(schema, as_routed(schema, trained.test))}
    for name in modalities:
        outcomes[name] = _outcome(schema, as_routed(schema, without(schema, trained.test, name)))
    return outcomes


def _outcome(schema: Bundle, pieces: Routed) -> Outcome:
    bad = pieces.scored.labels
    required = frozenset(modality.name for modality in schema.modalities)
    decisions = np.array([ruling.decision for ruling in pieces.rulings(required)])
    optional = np.array([ruling.decision for ruling in pieces.rulings(frozenset())])
    passed, failed, reviewed = (
        decisions == decision for decision in (pb.DECISION_PASS, pb.DECISION_FAIL, pb.DECISION_REVIEW)
    )
    return Outcome(
        recall=float(1 - passed[bad].mean()),
        bad_failed=float(failed[bad].mean()),
        bad_reviewed=float(reviewed[bad].mean()),
        good_failed=float(failed[~bad].mean()),
        reviewed=float(reviewed.mean()),
        passed=int(passed.sum()),
        optional_escapes=float((optional == pb.DECISION_PASS)[bad].mean()),
        good_score=float(np.nanmedian(pieces.scores[~bad])),
    )


def _row(name: str, removed: str, outcomes: Sequence[Outcome]) -> list[str]:
    shares = ("recall", "bad_failed", "bad_reviewed", "good_failed", "reviewed")
    return [
        name,
        removed,
        *(spread([getattr(outcome, share) for outcome in outcomes]) for share in shares),
        str(sum(outcome.passed for outcome in outcomes)),
        spread([outcome.optional_escapes for outcome in outcomes]),
        spread([outcome.good_score for outcome in outcomes]),
    ]
