"""Compares a bundle's verdicts on one split of a manifest with the labels."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fusion.calibration import Scores
from fusion.scored import ExpertSet
from inspector.bundle.schema import Policy
from inspector.dataset.bit_depths import demand_bit_depths
from inspector.dataset.check.labelled import in_split
from inspector.dataset.good_class import question, recorded_good, with_good
from inspector.dataset.labels import units_of
from inspector.dataset.manifest import ManifestError, PieceRow, Split, read_manifest
from inspector.dataset.progress import WHOLE, Progress
from inspector.dataset.splits import demand_grouped_splits
from inspector.dataset.survey import survey
from inspector.dataset.uncertain import left_out, left_out_words
from inspector.evaluation.class_figures import ClassReport, JudgedPiece, class_report
from inspector.evaluation.evaluated import DECISIONS, FILES, Evaluated, examined_splits
from inspector.evaluation.examined_dominance import examined_dominance
from inspector.evaluation.outcomes import outcomes
from inspector.evaluation.recipes import recipe_for
from inspector.evaluation.report import Decisions, PieceResult, Report
from inspector.evaluation.run import Examined, experts_of, finding_of, open_bundle
from inspector.evaluation.score_figures import (
    certainty_of,
    compares,
    figures_of,
    labels_of,
    modality_names,
    noisy_or_scores,
    own_figures,
)
from inspector.judging.routing import RoutedResult
from inspector.verdicts.defects import likelihood
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb

_log = logging.getLogger("inspector.evaluation")


def evaluate(
    bundle: Path,
    manifest: Path,
    split: Split,
    false_reject_rate: float,
    progress: Progress,
    recipe_file: Path | None = None,
    good: Sequence[str] = (),
) -> Evaluated:
    """Examines the split, and the calibration split for noisy-or's calibration alone; decides by the recipe of a file,
    or else by one that requires everything. `good`: classes that count as good; by default those of the bundle's
    training. Raises ConfigError for a recipe that does not fit."""
    rows = read_manifest(manifest)
    model = open_bundle(bundle)
    rows = with_good(rows, good or recorded_good(model.schema.provenance, rows))
    demand_grouped_splits(rows)
    judged = [row for row in rows if row.split in (split, "calibration") and row.label != "unknown"]
    for warning in survey(manifest, judged, progress):
        _log.warning("%s", warning)
    if unused := left_out(in_split(rows, split)):
        _log.info("Left out of split %s, for their label is not certain: %s", split, left_out_words(unused))
    demand_bit_depths(judged, model.schema.modalities)
    recipe = recipe_for(model, rows, recipe_file)
    names = dict.fromkeys((split, "calibration"))
    splits: dict[str, list[PieceRow]] = {name: labelled(rows, name) for name in names}
    pieces, *others = examined_splits(model, manifest.parent, recipe, splits, progress)
    reference = others[0] if others else pieces
    labels = labels_of(pieces)
    dense, dense_findings = pieces.routed(Policy(mode="dense"))
    verdicts = pieces.verdicts(model.schema.policy)
    routed, findings = [*map(experts_of, verdicts)], [*map(finding_of, verdicts)]
    scores = {
        "fused": pieces.scores(dense),
        "routed": _scores(findings),
        "noisy-or": noisy_or_scores(pieces, reference),
    }
    scores |= {f"{name} alone": pieces.scores(pieces.able([name])) for name in modality_names(pieces)}
    right = {name: (values >= 0.5) == labels for name, values in scores.items()}
    shares = examined_dominance(pieces, recipe, verdicts)
    for warning in shares.warnings():
        _log.warning("%s", warning)
    by_class = _by_class(pieces, verdicts)
    comparable = {name: values for name, values in scores.items() if compares(values, labels)}
    report = Report(
        bundle=model.schema.name,
        version=model.schema.version,
        split=split,
        pieces=len(labels),
        defective=int(labels.sum()),
        recordings=independent(pieces.rows),
        false_reject_rate=false_reject_rate,
        scores={name: figures_of(values, labels, false_reject_rate) for name, values in comparable.items()},
        certainty=certainty_of(pieces, comparable),
        own_scores=own_figures(pieces, reference, false_reject_rate),
        only_fused_right=int(np.sum(right["fused"] & ~right["noisy-or"])),
        only_noisy_or_right=int(np.sum(right["noisy-or"] & ~right["fused"])),
        decisions={"dense": _decisions(pieces, dense_findings), "routed": _decisions(pieces, findings)},
        outcomes=outcomes(pieces, partial(progress, "decisions")),
        encoder_cpu_s={"dense": _cpu_s(pieces, dense), "routed": _cpu_s(pieces, routed)},
        experts_run={"dense": sum(map(len, dense)), "routed": sum(map(len, routed))},
        dominance=shares,
        classes=by_class.classes,
        confusion=by_class.confusion,
        left_out=unused,
        pieces_routed=_results(pieces, verdicts),
        recipe="" if recipe_file is None else f"{recipe.name} {recipe.version}",
    )
    progress(WHOLE, len(splits) + FILES + DECISIONS, len(splits) + FILES + DECISIONS)
    return Evaluated(report, pieces, recipe, verdicts, comparable)


def _scores(findings: Sequence[RoutedResult]) -> Scores:
    return np.array([np.nan if finding.score is None else finding.score for finding in findings])


def _decisions(pieces: Examined, findings: Sequence[RoutedResult]) -> Decisions:
    decisions = [finding.ruling.decision for finding in findings]
    judged = list(zip(pieces.rows, decisions, strict=True))
    return Decisions(
        passed=decisions.count(pb.DECISION_PASS),
        failed=decisions.count(pb.DECISION_FAIL),
        review=decisions.count(pb.DECISION_REVIEW),
        escapes=tuple(row.piece_id for row, decision in judged if row.label == "nok" and decision == pb.DECISION_PASS),
        false_rejects=tuple(
            row.piece_id for row, decision in judged if row.label == "ok" and decision == pb.DECISION_FAIL
        ),
    )


def _results(pieces: Examined, verdicts: Sequence[pb.Verdict]) -> tuple[PieceResult, ...]:
    columns = zip(pieces.rows, verdicts, map(finding_of, verdicts), pieces.scores(pieces.scouts()), strict=True)
    return tuple(
        PieceResult(
            piece_id=row.piece_id,
            label=row.label,
            decision=enum_word(pb.Decision, verdict.decision),
            reason=enum_word(pb.DecisionReason, verdict.reason),
            states={modality.name: state_of(modality) for modality in verdict.modalities},
            score=finding.score,
            scout_score=_known(scout_score),
            present=tuple(sorted(pieces.present(index))),
            experts=tuple(sorted(experts_of(verdict))),
            pass_below=None if finding.limits is None else finding.limits.pass_below,
            fail_above=None if finding.limits is None else finding.limits.fail_above,
            classes=row.defects,
            defects=tuple(verdict.defects),
            class_scores={each.name: likelihood(each) for each in verdict.classes if _is_scored(each)},
            class_rule=verdict.class_rule,
        )
        for index, (row, verdict, finding, scout_score) in enumerate(columns)
    )


def _by_class(pieces: Examined, verdicts: Sequence[pb.Verdict]) -> ClassReport:
    schema = pieces.model.schema
    judged = [
        JudgedPiece(
            row.piece_id,
            row.label,
            row.defects,
            units_of(row, schema.modalities),
            enum_word(pb.Decision, verdict.decision),
            tuple(verdict.defects),
        )
        for row, verdict in zip(pieces.rows, verdicts, strict=True)
    ]
    return class_report(judged, schema.classes)


def _is_scored(entry: pb.ClassProbability) -> bool:
    return entry.HasField("probability") or entry.HasField("raw_score")


def state_of(modality: pb.Modality) -> str:
    """Such as `PRESENT`, or `MISSING COVERAGE` with the reason."""
    state = enum_word(pb.ModalityState, modality.state)
    reason = enum_word(pb.ModalityReason, modality.reason)
    return state if modality.reason == pb.MODALITY_REASON_UNSPECIFIED else f"{state} {reason}"


def _known(score: float) -> float | None:
    return None if np.isnan(score) else float(score)


def _cpu_s(pieces: Examined, ran: Sequence[ExpertSet]) -> float:
    return sum(costs[name] for costs, names in zip(pieces.cpu_s, ran, strict=True) for name in names)


def labelled(rows: Sequence[PieceRow], split: str) -> list[PieceRow]:
    chosen = [row for row in rows if row.split == split and row.label != "unknown"]
    if {row.label for row in chosen} < {"ok", "nok"}:
        if asked := question(rows):
            raise ManifestError(asked)
        raise ManifestError(f"split {split} has no pieces labelled ok and nok: nothing can be compared")
    return chosen


def independent(rows: Sequence[PieceRow]) -> dict[str, int]:
    """How many groups of each kind there are."""
    kinds = sorted({kind for row in rows for kind in row.groups})
    return {kind: len({row.groups.get(kind) for row in rows}) for kind in kinds}
