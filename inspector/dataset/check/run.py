"""Checks a manifest and all of its files, and lists everything that is wrong."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from inspector.dataset.check.evidence import fewest_findings, part_findings
from inspector.dataset.check.labelled import LabelledRows
from inspector.dataset.check.labels import label_findings
from inspector.dataset.check.names import name_findings
from inspector.dataset.check.report import DataReport, counted
from inspector.dataset.findings import Finding, errors
from inspector.dataset.good_class import question
from inspector.dataset.manifest import ManifestError, PieceRow, ScannedManifest, scan_manifest
from inspector.dataset.progress import Progress, silent
from inspector.dataset.repeats import contradictions, is_leak, leaks, repeats, uses_by_content
from inspector.dataset.splits import split_findings
from inspector.dataset.survey import survey_files

MANIFEST = "manifest.jsonl"


Relabel = Callable[[Sequence[PieceRow]], LabelledRows]
"""Adds the labels that a training would infer. Raises ManifestError."""


def check_data(path: Path, progress: Progress = silent, relabel: Relabel = LabelledRows.of) -> DataReport:
    """`path`: a manifest, or a folder with a manifest.jsonl. Raises ManifestError where there is none."""
    manifest = _manifest_in(path)
    scanned = scan_manifest(manifest)
    rows, findings = scanned.rows, list(_line_findings(scanned))
    surveyed = survey_files(manifest.parent, rows, progress)
    findings += surveyed.unreadable
    findings += surveyed.odd
    findings += [Finding("recordings", text) for text in surveyed.warnings]
    findings += _content_findings(manifest.parent, rows, relabel) if rows else ()
    findings = sorted(findings, key=lambda finding: finding.severity != "error")
    return DataReport(
        manifest, rows, scanned.lines, findings, scanned.notes, surveyed.num_files, _counts(rows, relabel)
    )


def _counts(rows: Sequence[PieceRow], relabel: Relabel) -> dict[str, dict[str, int]]:
    try:
        return counted(relabel(rows).rows)
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


def _content_findings(root: Path, rows: Sequence[PieceRow], relabel: Relabel) -> Iterator[Finding]:
    names = list(name_findings(rows))
    yield from names
    yield from split_findings(rows)
    if errors(names):
        return
    try:
        dataset = relabel(rows)
    except ManifestError as exc:
        yield Finding("labels", str(exc), severity="error")
        return
    yield from repeat_findings(root, dataset)
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
