"""Holds the results of an evaluation and writes them as JSON, as a page, and as tables for other pages."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from json import dumps
from pathlib import Path

from inspector.dataset.uncertain import left_out_words
from inspector.evaluation.class_figures import ClassFigures, ClassReport, Confusion
from inspector.evaluation.class_tables import class_tables
from inspector.evaluation.dominance import Dominance
from inspector.evaluation.outcomes import Outcome
from inspector.statistics.classification import Certainty, Figures


@dataclass(frozen=True)
class Decisions:
    """Counts by the bundle's limits; an escape is a defective piece that passed."""

    passed: int
    failed: int
    review: int
    escapes: tuple[str, ...]
    false_rejects: tuple[str, ...]


@dataclass(frozen=True)
class PieceResult:
    """The service's verdict on one piece by the recipe of the evaluation."""

    piece_id: str
    label: str
    decision: str
    reason: str
    states: Mapping[str, str]
    """By camera and sensor: `PRESENT`, or such as `MISSING COVERAGE`."""
    score: float | None
    scout_score: float | None
    """The policy chose by it; None where no scout ran."""
    present: tuple[str, ...]
    experts: tuple[str, ...]
    pass_below: float | None
    fail_above: float | None
    classes: tuple[str, ...] = ()
    """True classes."""
    defects: tuple[str, ...] = ()
    """As the verdict names them, most likely first."""
    class_scores: Mapping[str, float] = field(default_factory=dict)
    """By class; one that was not examined is missing."""
    class_rule: str = ""
    """The recipe's rule about a class that changed the decision."""


@dataclass(frozen=True)
class Report:
    bundle: str
    version: str
    split: str
    pieces: int
    defective: int
    recordings: Mapping[str, int]
    """Independent groups per kind: the evidence is counted in these, not in pieces."""
    false_reject_rate: float
    scores: Mapping[str, Figures]
    """Against the piece's label: fused, routed, noisy-or, and each modality alone."""
    certainty: Mapping[str, Certainty]
    """Of the same scores, by bootstrap over the recordings."""
    own_scores: Mapping[str, Figures]
    """Each expert alone against the label of its own modality, where that is known."""
    only_fused_right: int
    only_noisy_or_right: int
    decisions: Mapping[str, Decisions]
    outcomes: Mapping[str, Outcome]
    """As routed, by the modality removed from every piece."""
    encoder_cpu_s: Mapping[str, float]
    experts_run: Mapping[str, int]
    dominance: Dominance
    """How far single modalities decide."""
    classes: tuple[ClassFigures, ...] = ()
    """As routed, by defect class."""
    confusion: Confusion | None = None
    """True classes against named ones."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Pieces of the split that are not used, by reason."""
    pieces_routed: tuple[PieceResult, ...] = ()
    recipe: str = ""
    """Name and version; empty: derived from the bundle, with everything demanded."""


def write_pieces(report: Report, path: Path) -> None:
    """One JSON object a line."""
    rows = (dumps(asdict(piece)) + "\n" for piece in report.pieces_routed)
    path.write_text("".join(rows), encoding="utf-8")


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Writes `report.json` and `report.md` into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, readable = folder / "report.json", folder / "report.md"
    figures.write_text(dumps(_plain(report), indent=2) + "\n", encoding="utf-8")
    readable.write_text(page(report), encoding="utf-8")
    return figures, readable


def _plain(report: Report) -> dict[str, object]:
    content = asdict(report)
    del content["pieces_routed"]
    content["scores"] = {name: figures._asdict() for name, figures in report.scores.items()}
    content["certainty"] = {name: interval._asdict() for name, interval in report.certainty.items()}
    content["own_scores"] = {name: figures._asdict() for name, figures in report.own_scores.items()}
    return content


def page(report: Report) -> str:
    return "\n".join(
        [
            f"# {report.bundle} {report.version} on split {report.split}",
            "",
            counts(report.pieces, report.defective, report.recordings),
            *not_used(report),
            "",
            judged_by(report),
            "",
            "## Scores against the piece's label",
            "",
            *scores_table(report),
            "",
            f"At one half, {report.only_fused_right} pieces are right by the fused score only and "
            f"{report.only_noisy_or_right} by noisy-or of the same encoders only.",
            "",
            "## Experts against the label of their own modality",
            "",
            *_own_table(report),
            "",
            "## Decisions",
            "",
            *_decisions(report.decisions),
            "",
            *by_class(report),
            "## As routed, and without each modality",
            "",
            *outcomes_table(report),
            "",
            "## What one modality alone decides",
            "",
            *dominance_table(report),
            "",
            "## Cost",
            "",
            "| | CPU-seconds of the encoders | expert runs |",
            "|---|---|---|",
            *(f"| {name} | {cost:.3f} | {report.experts_run[name]} |" for name, cost in report.encoder_cpu_s.items()),
            "",
        ]
    )


def by_class(report: Report) -> list[str]:
    """The section on defect classes; empty without any."""
    tables = class_tables(ClassReport(report.classes, report.confusion)) if report.confusion else []
    return ["## By defect class", "", *tables, ""] if tables else []


def not_used(report: Report) -> list[str]:
    """What is left out; empty where nothing is."""
    if not report.left_out:
        return []
    return [f"Left out, for their label is not certain: {left_out_words(report.left_out)}."]


def judged_by(report: Report) -> str:
    if report.recipe:
        return f"Decided as the service does by recipe {report.recipe}."
    return "Decided as the service does by a recipe that requires every camera and sensor, whole."


def counts(pieces: int, defective: int, recordings: Mapping[str, int]) -> str:
    groups = ", ".join(f"{count} by {kind}" for kind, count in recordings.items()) or "not known"
    return f"{pieces} pieces, {defective} defective; independent recordings: {groups}."


def scores_table(report: Report) -> list[str]:
    """Lines of Markdown; brackets hold 95 % intervals."""
    return [
        f"| score | accuracy at 0.5 | AUC | misses at {report.false_reject_rate:.0%} false rejects |",
        "|---|---|---|---|",
        *(
            f"| {name} | {sure.accuracy} | {sure.auc} | {report.scores[name].miss_rate:.3f} |"
            for name, sure in report.certainty.items()
        ),
    ]


def outcomes_table(report: Report) -> list[str]:
    """Lines of Markdown; brackets hold 95 % intervals."""
    return [
        "| removed | recall (FAIL or REVIEW) | defective: FAIL | good: FAIL | REVIEW of all | PASS |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {o.recall} | {o.caught} | {o.false_rejects} | {o.review} | {o.passed} |"
            for name, o in report.outcomes.items()
        ),
    ]


def dominance_table(report: Report) -> list[str]:
    """Lines of Markdown; brackets hold 95 % intervals over the modality's groups. Warnings stand below."""
    shares = report.dominance
    lines = [
        "| modality | decisions it alone makes | thorough experts on it only | weight of the gate (evenly) | own AUC |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {s.alone:.1%} | {s.thorough_only:.1%} | {s.gate:.2f} ({s.even_gate:.2f}) | {s.auc} |"
            for name, s in shares.modalities.items()
        ),
        "",
        f"Each of several modalities alone would have made {shares.several:.1%} of the decisions as routed; "
        f"{shares.none:.1%} took them together.",
    ]
    return lines + [line for warning in shares.warnings() for line in ("", f"Warning: {warning}.")]


def _own_table(report: Report) -> list[str]:
    return [
        f"| expert | accuracy at 0.5 | AUC | misses at {report.false_reject_rate:.0%} false rejects |",
        "|---|---|---|---|",
        *(f"| {name} | {f.accuracy:.3f} | {f.auc:.4f} | {f.miss_rate:.3f} |" for name, f in report.own_scores.items()),
    ]


def _decisions(decisions: Mapping[str, Decisions]) -> list[str]:
    lines = ["| | PASS | FAIL | REVIEW | escapes | false rejects |", "|---|---|---|---|---|---|"]
    for name, counted in decisions.items():
        counts = f"{counted.passed} | {counted.failed} | {counted.review}"
        lines.append(f"| {name} | {counts} | {len(counted.escapes)} | {len(counted.false_rejects)} |")
    for name, counted in decisions.items():
        lines += ["", f"Escapes, {name}: {', '.join(counted.escapes) or 'none'}."]
        lines += ["", f"False rejects, {name}: {', '.join(counted.false_rejects) or 'none'}."]
    return lines
