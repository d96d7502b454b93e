"""Turns the results of an evaluation into the section "Measured" of a bundle's model card. Computes no score."""

import hashlib
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

from inspector.bundle.schema import Bundle, Certificate
from inspector.evaluation.explanations.evaluate import Explanations
from inspector.evaluation.explanations.page import explanation_lines
from inspector.evaluation.report import Report, by_class, counts, not_used, outcomes_table, scores_table
from inspector.recipe.thresholds import certificate_words

MEASURED = "Measured"
"""Title of the section."""


def origin(command: str, manifest: Path, split: str, day: date) -> str:
    """A sentence on where figures come from; names no folder but the manifest's own."""
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    name = f"{manifest.resolve().parent.name}/{manifest.name}"
    return (
        f"By `{command}` of inspector {version('inspector')} on {day}: split {split} of `{name}` (SHA-256 of the file "
        f"{digest})."
    )


def measured(source: str, report: Report, schema: Bundle, explanations: Explanations | None) -> str:
    """Body of the section; `source` is the sentence of `origin`."""
    size = counts(report.pieces, report.defective, report.recordings)
    lines = [source, size, *not_used(report), "Brackets hold 95 % intervals by bootstrap over the recordings.", ""]
    if report.split != "test":
        lines[-1:] = ["This is no test: training has seen this split or chosen limits and routes on it.", ""]
    lines += [*scores_table(report), "", "As routed, by the bundle's own limits, every modality required:", ""]
    lines += [
        *outcomes_table(report),
        "",
        *_classes(report),
        *_saving(report, schema),
        *_promise(report, schema.certificate),
    ]
    lines += [*_rates(report, schema), ""]
    if explanations is not None:
        lines += explanation_lines(explanations, "###")
    return "\n".join(lines)


def _classes(report: Report) -> list[str]:
    return ["By defect class:", "", *lines, ""] if (lines := by_class(report)[2:-1]) else []


def _saving(report: Report, schema: Bundle) -> Iterator[str]:
    """By the stated costs first: processor time of one pass varies by some points with what else the machine does."""
    costs_ms = {expert.name: expert.cost_ms for expert in schema.experts}
    pieces = report.pieces_routed
    dense_ms = sum(e.cost_ms for piece in pieces for e in schema.experts if e.modality in piece.present)
    routed_ms = sum(costs_ms[name] for piece in pieces for name in piece.experts)
    dense_s, routed_s = (report.encoder_cpu_s[name] for name in ("dense", "routed"))
    yield (
        f"- Routing leaves out {1 - routed_ms / dense_ms:.1%} of what all experts would cost, by the costs that the "
        f"bundle states; {1 - routed_s / dense_s:.1%} of the processor time as measured in this one pass, preparation "
        "included. What routing gains over the cheapest fixed set of experts is another figure, which training judges."
    )


def _rates(report: Report, schema: Bundle) -> Iterator[str]:
    """What the limits promise, and what was observed; nothing for bundles that do not know."""
    whole = max(schema.calibrations, key=lambda calibration: len(calibration.experts))
    sides = (("good", "ok", "FAIL", whole.fail_evidence), ("defective", "nok", "PASS", whole.pass_evidence))
    for kind, label, decision, evidence in sides:
        if evidence is None:
            continue
        decisions = [piece.decision for piece in report.pieces_routed if piece.label == label]
        wrong = decisions.count(decision)
        observed = f"{wrong} of {len(decisions)} ({wrong / max(len(decisions), 1):.1%})"
        yield (
            f"- Promised about {kind} pieces: at most {evidence.rate:.1%} {decision}, at {evidence.confidence:.0%} "
            f"confidence by {evidence.num_pieces} independent ones. Observed here: {observed}."
        )


def _promise(report: Report, certificate: Certificate | None) -> Iterator[str]:
    yield f"- Promised about misses: {certificate_words(certificate)}."
    claim = None if certificate is None else certificate.claim or certificate.nearest
    if claim is None:
        return
    scores = [piece.score for piece in report.pieces_routed if piece.label == "nok" and piece.score is not None]
    missed = sum(score < claim.pass_below for score in scores)
    yield (
        f"- Observed here: {missed} of {len(scores)} defective pieces ({missed / len(scores):.1%}) score below "
        f"{claim.pass_below:.3g}, the limit that belongs to {claim.miss_rate:.2%}."
    )
