"""Checks a manifest and all of its files, and lists everything that is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.dataset.check.evidence import fewest_findings, part_findings
from inspector.dataset.check.labelled import LabelledRows
from inspector.dataset.check.labels import label_findings, mask_findings, unlabelled_findings
from inspector.dataset.check.names import name_findings
from inspector.dataset.check.report import DataReport, counted
from inspector.dataset.findings import Finding, errors
from inspector.dataset.good_class import question
from inspector.dataset.manifest import ManifestError, PieceRow, ScannedManifest, scan_manifest
from inspector.dataset.progress import Progress, silent
from inspector.dataset.repeats import contradictions, is_leak, leaks, repeats, uses_by_content
from inspector.dataset.splits import split_findings
from inspector.dataset.survey import survey_files
from inspector.dataset.uncertain import is_uncertain, uncertain_lines

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class TrainingView:
    """How a training would see the manifest."""

    relabel: Callable[[Sequence[PieceRow]], LabelledRows] = LabelledRows.of
    """Adds the labels that it would infer. Raises ManifestError."""
    soft: bool = False
    """Whether uncertain labels teach their probability."""
    further: Callable[[Path, LabelledRows], Iterator[Finding]] = lambda manifest, dataset: iter(())
    """What else it would refuse."""


AS_IT_IS = TrainingView()


def check_data(path: Path, progress: Progress = silent, view: TrainingView = AS_IT_IS) -> DataReport:
    """`path`: a manifest, or a folder with a manifest.jsonl. Raises ManifestError where there is none."""
    manifest = _manifest_in(path)
    scanned = scan_manifest(manifest)
    rows, findings = scanned.rows, list(_line_findings(scanned))
    surveyed = survey_files(manifest.parent, rows, progress)
    findings += surveyed.unreadable
    findings += surveyed.odd
    findings += [Finding("recordings", text) for text in surveyed.warnings]
    findings += _content_findings(manifest, rows, view) if rows else ()
    findings = sorted(findings, key=lambda finding: finding.severity != "error")
    notes = [*scanned.notes, *_uncertain_notes(rows, soft=view.soft)]
    return DataReport(manifest, rows, scanned.lines, findings, notes, surveyed.num_files, _counts(rows, view))


def _uncertain_notes(rows: Sequence[PieceRow], *, soft: bool) -> list[str]:
    probable = [row for row in rows if is_uncertain(row)]
    return [f"names probabilities of a defect. {line}" for line in uncertain_lines(probable, soft=soft)]


def _counts(rows: Sequence[PieceRow], view: TrainingView) -> dict[str, dict[str, int]]:
    try:
        return counted(view.relabel(rows).rows)
    except ValueError:  # it is a finding already
        return counted(rows)


def _manifest_in(path: Path) -> Path:
    if not path.is_dir():
        return path
    manifest = path / MANIFEST
    if manifest.is_file():
        return manifest
    others = sorted(file.name for file in path.glob("*.jsonl"))
    advice = f"name one of {', '.join(others)}" if others else "`inspector data import --help` says how to make one"
    raise ManifestError(f"{path}: is a folder without {MANIFEST}; {advice}")


def _line_findings(scanned: ScannedManifest) -> Iterator[Finding]:
    for problem in scanned.problems:
        pieces = (problem.piece_id,) if scanned.lines.get(problem.piece_id) == problem.line else ()
        yield Finding("manifest", problem.text, pieces, "error", problem.line)
    if not scanned.rows and not scanned.problems:
        yield Finding("manifest", "holds no piece: one JSON object a line", severity="error")


def _content_findings(manifest: Path, rows: Sequence[PieceRow], view: TrainingView) -> Iterator[Finding]:
    names = list(name_findings(rows))
    yield from names
    yield from split_findings(rows)
    if errors(names):
        return
    try:
        dataset = view.relabel(rows)
    except ManifestError as exc:
        yield Finding("labels", str(exc), severity="error")
        return
    yield from view.further(manifest, dataset)
    yield from repeat_findings(manifest.parent, dataset)
    yield from unlabelled_findings(dataset.rows)
    yield from mask_findings(dataset.rows)
    if {row.label for row in rows} == {"ok"}:
        return  # `inspector fit --good-only` takes them as they are
    if question(dataset.rows) is None:  # else nearly all that follows is due to that
        yield from label_findings(dataset)
        yield from part_findings(dataset)
    yield from fewest_findings(dataset)


def repeat_findings(root: Path, dataset: LabelledRows) -> Iterator[Finding]:
    uses = uses_by_content(root, dataset.rows, dataset.modalities)
    yield from leaks(root, uses)
    yield from repeats([recording for recording in uses if not is_leak(root, recording)])
    yield from contradictions(uses, dataset.modalities)
