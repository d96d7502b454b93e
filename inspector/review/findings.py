"""A person's finding about a piece, and its record on the feedback topic."""

import json
from dataclasses import dataclass

from inspector.review.people import author_and_proof
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from streams.decode.limits import RecordError as InvalidError
from streams.decode.limits import check_text
from streams.observation import InspectionId

MAX_DEFECTS = 16
WORDS = {
    "ok": Label.LABEL_OK,
    "nok": Label.LABEL_NOK,
    "unsure": Label.LABEL_UNSURE,
}
"""Answers by the words that the page and the commands use."""


class AnswerError(ValueError):
    """An answer that cannot be taken; the message names the fault and the remedy."""


@dataclass(frozen=True, slots=True)
class Finding:
    """OK, NOK with the classes of its defects (or none), or unsure."""

    label: Label
    defects: tuple[str, ...] = ()

    @property
    def defects_json(self) -> str:
        return json.dumps(self.defects, ensure_ascii=False)


def parse_finding(word: str, defects: tuple[str, ...] = ()) -> Finding:
    """Raises AnswerError."""
    if word not in WORDS:
        raise AnswerError(f"the answer is {word[:40]!r}, expected one of {', '.join(WORDS)}")
    if defects and word != "nok":
        raise AnswerError(f"the answer {word} has defect classes: only nok has some")
    if len(defects) > MAX_DEFECTS:
        raise AnswerError(f"the answer has {len(defects)} defect classes, expected at most {MAX_DEFECTS}")
    for defect in defects:
        try:
            check_text("defect", defect)
        except InvalidError as exc:
            raise AnswerError(exc.detail) from exc
    return Finding(WORDS[word], tuple(dict.fromkeys(defects)))


def feedback(inspection: InspectionId, finding: Finding, reviewer: str, given_ns: int, identity: str) -> Feedback:
    """The record that tells others; `reviewer` is as the desk knows them."""
    author, proof = author_and_proof(reviewer)
    line, station, piece_id, pass_number = inspection
    return Feedback(
        inspection=Inspection(line=line, station=station, piece_id=piece_id, pass_number=pass_number),
        label=finding.label,
        defects=finding.defects,
        author=author,
        author_proof=proof,
        note="review",
        given_ns=given_ns,
        id=identity,
    )
