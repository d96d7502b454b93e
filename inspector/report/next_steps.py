"""Says what to do next: which recordings are lacking and how many, where mistakes gather, what the limits rest on."""

from collections import Counter
from collections.abc import Iterator, Sequence

from fusion.certificate import further_defects
from inspector.bundle.schema import Calibration, LimitEvidence
from inspector.report.content import Content, ReportedPiece
from inspector.report.tables import CONFIDENCE, UNNAMED, ClassRow, GroupTable, by_class, by_group
from inspector.verdicts.sentence import plain

CLASS_ESCAPES = 0.1
"""Share of a class that may pass: the advice says how many recordings show that no more do. 29 without a miss do."""
GATHERED, SHARE_GATHERED = 3, 0.5
"""Mistakes in one group of which the advice speaks: so many, and more than this share of all."""
MUCH_REVIEW = 0.15
"""Share of REVIEW from which the advice speaks of it."""
MAX_STEPS = 20
MAX_TEXT = 600
"""Characters of one piece of advice."""


def next_steps(content: Content) -> list[str]:
    """The most urgent first; at least one sentence."""
    classes = by_class(content.pieces)
    steps = [
        *_missed(classes),
        *_gathered(by_group(content.pieces), content.pieces),
        *_without_judgement(content.pieces),
        *_review(content),
        *content.advice,
        *_few(classes),
        *_unnamed(classes),
    ]
    return [plain(step, MAX_TEXT) for step in dict.fromkeys(steps)][:MAX_STEPS] or [
        "Nothing is lacking by these figures. Test the bundle on recordings of another day before it decides alone."
    ]


def _missed(classes: Sequence[ClassRow]) -> Iterator[str]:
    """Classes of which more pass than a fair number of recordings could ever excuse."""
    for row in (row for row in classes if row.passed and row.share > CLASS_ESCAPES):
        yield (
            f"{row.passed} of {row.pieces} pieces with {row.name} passed. Look at them under Escapes: if the defect "
            f"cannot be seen or heard there, no model finds it, so move or add a camera or sensor; else record more "
            f"pieces with {row.name} for training."
        )


def _few(classes: Sequence[ClassRow]) -> Iterator[str]:
    for row in (row for row in classes if row.share <= CLASS_ESCAPES and row.bound > CLASS_ESCAPES):
        more = further_defects(row.parts, row.parts_passed, CLASS_ESCAPES, CONFIDENCE)
        yield (
            f"{more} more recordings of {row.name}: {row.parts} independent ones, of which {row.parts_passed} passed, "
            f"show only that at most {row.bound:.0%} escape. {more} more without an escape would show at most "
            f"{CLASS_ESCAPES:.0%} ({CONFIDENCE:.0%} confidence)."
        )


def _gathered(tables: Sequence[GroupTable], pieces: Sequence[ReportedPiece]) -> Iterator[str]:
    """Groups that hold most of the mistakes."""
    total = sum(piece.is_wrong for piece in pieces)
    for table in tables:
        first = table.rows[0]
        if first.wrong >= GATHERED and first.wrong > SHARE_GATHERED * total:
            yield (
                f"{first.wrong} of {total} wrong decisions are in {table.kind} {first.name}, which has "
                f"{first.pieces} of {len(pieces)} pieces: see what differs there (labels, light, mounting, material)."
            )


def _review(content: Content) -> Iterator[str]:
    uncertain = sum(piece.reason == "UNCERTAIN" for piece in content.pieces if piece.decision == "REVIEW")
    if uncertain > MUCH_REVIEW * len(content.pieces):
        yield (
            f"{uncertain} of {len(content.pieces)} pieces have scores between the limits, and a person looks at them. "
            "See Worst REVIEW for wrong labels first; more independent recordings, or `review_share` in the training "
            "configuration, make the zone narrower."
        )


def _without_judgement(pieces: Sequence[ReportedPiece]) -> Iterator[str]:
    reasons = Counter(piece.reason for piece in pieces if piece.decision not in ("PASS", "FAIL"))
    for reason, remedy in _REMEDIES.items():
        if reasons[reason]:
            yield f"{reasons[reason]} of {len(pieces)} pieces went to REVIEW because {remedy}."


_REMEDIES = {
    "MISSING_MODALITY": "a recording is missing or cut: record them whole, or say in the recipe which may be missing",
    "IMPLAUSIBLE": "a recording cannot be believed: look at them under Worst REVIEW, and mend the camera or sensor",
    "NO_IMAGE": "no usable picture came: mend the camera or its files",
    "ENGINE": "an expert gave no number: see the log",
}


def limit_steps(calibration: Calibration) -> Iterator[str]:
    """What the limits of a bundle lack; a training warns of it itself."""
    sides = (("good", "fail", calibration.fail_evidence), ("defective", "pass", calibration.pass_evidence))
    for kind, decision, evidence in sides:
        if evidence is not None and evidence.method != "count" and 0 < evidence.rate < 1:
            yield _limit_step(kind, decision, evidence)


def _limit_step(kind: str, decision: str, evidence: LimitEvidence) -> str:
    more = further_defects(evidence.num_pieces, 0, evidence.rate, evidence.confidence)
    return (
        f"{more} more {kind} pieces that share no recording, for training: {evidence.num_pieces} are too few to count "
        f"that at most {evidence.rate:.1%} {decision}, so REVIEW takes more pieces than it needs to."
    )


def _unnamed(classes: Sequence[ClassRow]) -> Iterator[str]:
    for row in classes:
        if row.name == UNNAMED and len(classes) > 1:
            yield (
                f"Name the defects of {row.pieces} defective pieces in the manifest (`defects`): they teach no class, "
                "and count in none."
            )
