"""Makes one label of all that people said about a piece, or says why there is none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from inspector.archive.rows import KeptFeedback
from protos.inspection.v1.records_pb2 import Label

DISAGREEMENT, CLASSES, NOBODY_KNOWS = "people disagree", "people name different classes", "nobody knows"
_SURE = frozenset({Label.LABEL_OK, Label.LABEL_NOK})


@dataclass(frozen=True, slots=True)
class Consensus:
    """The label that all people who were sure agree on."""

    label: Literal["ok", "nok"]
    defects: tuple[str, ...]
    num_people: int


@dataclass(frozen=True, slots=True)
class NoConsensus:
    """Why the piece has no label."""

    why: str
    answers: tuple[str, ...]
    """Each person's answer, such as `ada: nok dent`."""


def consensus(findings: Iterable[KeptFeedback]) -> Consensus | NoConsensus | None:
    """Of each person's last word; None where nobody's word is left. Whoever was unsure neither agrees nor disagrees."""
    last: dict[tuple[str, str], KeptFeedback] = {}
    for finding in sorted(findings, key=lambda one: one.given_ns):
        last[finding.person] = finding
    words = [finding for finding in last.values() if finding.label in _SURE or finding.label == Label.LABEL_UNSURE]
    sure = [finding for finding in words if finding.label in _SURE]
    if not words:
        return None
    if not sure:
        return NoConsensus(NOBODY_KNOWS, _said(words))
    if len({finding.label for finding in sure}) > 1:
        return NoConsensus(DISAGREEMENT, _said(words))
    if sure[0].label == Label.LABEL_OK:
        return Consensus("ok", (), len(sure))
    classes = {frozenset(finding.defects) for finding in sure if finding.defects}
    if len(classes) > 1:
        return NoConsensus(CLASSES, _said(words))
    return Consensus("nok", tuple(sorted(next(iter(classes), frozenset()))), len(sure))


def _said(findings: Sequence[KeptFeedback]) -> tuple[str, ...]:
    words: dict[int, str] = {Label.LABEL_OK: "ok", Label.LABEL_NOK: "nok", Label.LABEL_UNSURE: "unsure"}
    return tuple(
        " ".join((f"{finding.author or 'unnamed'}:", words[finding.label], *finding.defects))
        for finding in sorted(findings, key=lambda one: (one.author, one.author_proof))
    )
