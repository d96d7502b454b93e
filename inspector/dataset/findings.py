"""What is wrong with a data set, in the words that training, evaluation and `inspector data check` share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspector.dataset.manifest import ManifestError

FindingKind = Literal["manifest", "recordings", "labels", "evidence", "splits", "names", "config"]
Severity = Literal["error", "warning"]
MAX_NAMED = 20
"""Of a list in an error message; `inspector data check` names all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or several of one cause."""

    kind: FindingKind
    text: str
    """The problem, with figures, and its remedy."""
    pieces: tuple[str, ...] = ()
    """Ids of the pieces it is about, in the order of the manifest."""
    severity: Severity = "warning"
    """`error`: training refuses the data set."""
    line: int = 0
    """Of the manifest, where no piece could be read; else 0: that of the first piece."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity == "error")


def refuse(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, if all are warnings. Raises ManifestError with the texts of all errors."""
    listed = list(findings)
    wrong = errors(listed)
    if wrong:
        raise ManifestError("\n".join(finding.text for finding in wrong[:MAX_NAMED]))
    return listed


def placed(finding: Finding, manifest: Path, lines: Mapping[str, int]) -> str:
    """The finding behind the line and the id of its piece, if it is about a single one."""
    if len(finding.pieces) == 1:
        piece = finding.pieces[0]
        return f"{manifest.name}:{lines.get(piece, '?')}: piece {piece}: {finding.text}"
    return f"{manifest.name}:{finding.line}: {finding.text}" if finding.line else finding.text


def in_order(findings: Iterable[Finding], lines: Mapping[str, int]) -> list[Finding]:
    """By the line of their first piece; `lines` by piece."""
    return sorted(findings, key=lambda finding: lines.get(finding.pieces[0], 0) if finding.pieces else finding.line)


def listed(manifest: Path, findings: Sequence[Finding], lines: Mapping[str, int]) -> str:
    """A message that names the first of many bad files."""
    named = [placed(finding, manifest, lines) for finding in findings[:MAX_NAMED]]
    more = f", the first {MAX_NAMED} of them" if len(findings) > MAX_NAMED else ""
    return "\n".join([f"{manifest}: {len(findings)} file(s) cannot be read{more}:", *named])
