"""Warns about gaps in a manifest: labels per modality, classes without evidence, repeated recordings.

The checks are those of `inspector data check`; here they become warnings of a training.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from inspector.dataset.check.evidence import part_findings
from inspector.dataset.check.labels import label_findings
from inspector.dataset.findings import Finding, refuse
from inspector.dataset.labels import modalities_of
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.dataset.progress import Progress, silent
from inspector.dataset.repeats import contradictions, leaks, repeats, uses_by_content
from inspector.dataset.survey import survey
from inspector.training.advice import Advice, Kind
from inspector.training.dataset import Dataset

_KINDS: dict[str, Kind] = {"labels": "labels", "evidence": "evidence"}


def data_advice(dataset: Dataset) -> Iterator[Advice]:
    """Raises ManifestError for a recording in several splits under several names."""
    uses = uses_by_content(dataset.root, dataset.rows, dataset.modalities)
    refuse(leaks(dataset.root, uses))
    yield from _advice(repeats(uses))
    yield from _advice(contradictions(uses, dataset.modalities))
    yield from _advice(label_findings(dataset))
    yield from _advice(part_findings(dataset))


def file_survey(manifest: Path, rows: Sequence[PieceRow], progress: Progress = silent) -> Iterator[Advice]:
    """Warnings about the files of these rows. Raises ManifestError that lists each unreadable file."""
    for text in survey(manifest, rows, progress):
        yield Advice("recordings", text)


def manifest_advice(manifest: Path) -> Iterator[Advice]:
    """Warnings about a manifest from which only good pieces are used."""
    rows = read_manifest(manifest)
    modalities = modalities_of(rows)
    uses = uses_by_content(manifest.parent, rows, modalities)
    yield from _advice(repeats(uses))
    yield from _advice(contradictions(uses, modalities))


def _advice(findings: Iterable[Finding]) -> Iterator[Advice]:
    for finding in findings:
        yield Advice(_KINDS.get(finding.kind, "recordings"), finding.text)
