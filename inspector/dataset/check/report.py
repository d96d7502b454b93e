"""What a check of a data set found: findings with lines, and counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inspector.dataset.check.labelled import SPLITS
from inspector.dataset.findings import Finding, errors, placed
from inspector.dataset.manifest import PieceRow


@dataclass(frozen=True)
class DataReport:
    """Everything about one manifest."""

    manifest: Path
    rows: Sequence[PieceRow]
    lines: Mapping[str, int]
    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    num_files: int = 0
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Pieces by label or class, and by split."""

    @property
    def num_errors(self) -> int:
        return len(errors(self.findings))

    @property
    def num_groups(self) -> int:
        return len({(kind, group) for row in self.rows for kind, group in row.groups.items()})

    def places(self, finding: Finding) -> list[str]:
        """Line and id of each piece of a finding about several."""
        named = finding.pieces if len(finding.pieces) > 1 else ()
        return [f"{self.manifest.name}:{self.lines.get(piece, '?')}: piece {piece}" for piece in named]

    def said(self, finding: Finding) -> str:
        return placed(finding, self.manifest, self.lines)

    def as_json(self) -> dict[str, object]:
        return {
            "manifest": str(self.manifest),
            "well": not self.findings,
            "num_pieces": len(self.rows),
            "num_files": self.num_files,
            "num_groups": self.num_groups,
            "counts": {name: dict(by_split) for name, by_split in self.counts.items()},
            "notes": list(self.notes),
            "findings": [self._finding(finding) for finding in self.findings],
        }

    def _finding(self, finding: Finding) -> dict[str, object]:
        pieces = [{"piece_id": piece, "line": self.lines.get(piece)} for piece in finding.pieces]
        if finding.line and not finding.pieces:
            pieces = [{"piece_id": None, "line": finding.line}]
        return {"severity": finding.severity, "kind": finding.kind, "text": finding.text, "pieces": pieces}


def counted(rows: Sequence[PieceRow]) -> dict[str, dict[str, int]]:
    """Pieces by ok, unknown, and class of defect (`nok` without one), and by split."""
    counts: dict[str, Counter[str]] = {"ok": Counter()}
    for row in rows:
        for name in classes_or_label(row):
            counts.setdefault(name, Counter())[row.split] += 1
    return {name: {split: by_split[split] for split in SPLITS} for name, by_split in counts.items() if by_split}


def classes_or_label(row: PieceRow) -> tuple[str, ...]:
    return row.defects or (row.label,)
