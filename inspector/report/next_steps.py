"""Says what to do next: which recordings are lacking and how many, where mistakes gather, what the limits rest on."""

from collections import Counter
from collections.abc import Iterator, Sequence

from fusion.certificate import further_defects
from inspector.bundle.schema import Calibration, LimitEvidence
from inspector.evaluation.class_figures import ClassFigures
from inspector.report.content import Content, ReportedPiece
from inspector.report.tables import GroupTable, by_group
from inspector.verdicts.plain_text import plain

CLASS_ESCAPES = 0.1
"""Share of a class that may pass: the advice says how many recordings show that no more do. 36 without a miss do."""
ONE_SIDED = 0.975
"""Confidence of the upper end of a two-sided interval of 95 %."""
GATHERED, SHARE_GATHERED = 3, 0.5
"""Mistakes in one group of which the advice speaks: so many, and more than this share of all."""
MUCH_REVIEW = 0.15
"""Share of REVIEW from which the advice speaks of it."""
MAX_STEPS = 20
MAX_TEXT = 600
"""Characters of one piece of advice."""


def next_steps(content: Content) -> list[str]:
    """The most urgent first; at least one sentence."""
    classes = () if content.classes is None else content.classes.classes
    steps = [
        *_missed(classes),
        *_gathered(by_group(content.pieces), content.pieces),
        *_without_judgement(content.pieces),
        *_review(content),
        *content.advice,
        *_few(classes),
        *_unnamed(content),
    ]
    return [plain(step, MAX_TEXT) for step in dict.fromkeys(steps)][:MAX_STEPS] or [
        "Nothing is lacking by these figures. Test the bundle on recordings of another day before it decides alone."
    ]


def _missed(classes: Sequence[ClassFigures]) -> Iterator[str]:
    """Classes of which more pass than a fair number of recordings could ever excuse."""
    for each in (each for each in classes if each.escapes > CLASS_ESCAPES * each.pieces):
        yield (
            f"{each.escapes} of {each.pieces} pieces with {each.name} passed. Look at them under Escapes: if the "
            "defect cannot be seen or heard there, no model finds it, so move or add a camera or sensor; else record "
            f"more pieces with {each.name} for training."
        )


def _few(classes: Sequence[ClassFigures]) -> Iterator[str]:
    """Those with the fewest recordings first."""
    for each in sorted(classes, key=lambda each: each.groups):
        if each.escapes > CLASS_ESCAPES * each.pieces or (each.groups and each.escape_high <= CLASS_ESCAPES):
            continue
        more = further_defects(each.groups, min(each.escapes, each.groups), CLASS_ESCAPES, ONE_SIDED)
        have = f"{each.groups} independent ones, of which {each.escapes} escaped" if each.groups else "none at all"
        yield (
            f"{more} more recordings of {each.name}: with {have}, the escape rate may be as high as "
            f"{each.escape_high:.0%}. {more} more without an escape bring this down to {CLASS_ESCAPES:.0%}."
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


def _unnamed(content: Content) -> Iterator[str]:
    nameless = sum(piece.is_defective and not piece.row.defects for piece in content.pieces)
    if nameless:
        yield (
            f"Name the defects of {nameless} defective pieces in the manifest (`defects`): they teach no class, and "
            "count in none."
        )
