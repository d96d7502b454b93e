"""One sentence explains a verdict."""

from typing import Any

import pytest

from inspector.verdicts.plain_text import MAX_TEXT, plain
from inspector.verdicts.sentence import sentence
from protos.inspection.v1 import verdict_pb2 as pb

PRESENT, MISSING = pb.MODALITY_STATE_PRESENT, pb.MODALITY_STATE_MISSING
LIMITS: Any = {"pass_below": 0.1, "fail_above": 0.6}
CRACK = [pb.ClassProbability(name="crack", probability=0.9), pb.ClassProbability(name="dent", probability=0.1)]


def seen(contribution: float | None = None, name: str = "top", **fields: object) -> pb.Modality:
    modality = pb.Modality(name=name, kind="image", state=PRESENT, **fields)  # type: ignore[arg-type]
    if contribution is not None:
        modality.contribution = contribution
    return modality


def heard(contribution: float | None = None, **fields: object) -> pb.Modality:
    modality = pb.Modality(name="mic", kind="audio", state=PRESENT)
    modality.MergeFrom(pb.Modality(**fields))  # type: ignore[arg-type]
    if contribution is not None:
        modality.contribution = contribution
    return modality


def at(low_hz: float | None, high_hz: float | None) -> list[pb.SignalEvidence]:
    return [pb.SignalEvidence(sensor="mic", start_s=0.02, end_s=0.05, low_hz=low_hz, high_hz=high_hz, strength=1)]


def fail(**fields: object) -> pb.Verdict:
    base = pb.Verdict(decision=pb.DECISION_FAIL, reason=pb.DECISION_REASON_DEFECT, defect_score=0.97, **LIMITS)
    base.MergeFrom(pb.Verdict(**fields))  # type: ignore[arg-type]
    return base


def review(reason: pb.DecisionReason, **fields: object) -> pb.Verdict:
    return pb.Verdict(decision=pb.DECISION_REVIEW, reason=reason, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            fail(classes=CRACK, modalities=[seen(-0.4), heard(6.1)], signals=at(5900, 6300)),
            "crack heard at 6.1 kHz, 0.02 to 0.05 s; the picture alone would have passed it",
        ),
        (
            fail(classes=CRACK, modalities=[seen(-0.4), heard(6.1)], signals=at(2000, 6300)),
            "crack heard at 2.0 to 6.3 kHz, 0.02 to 0.05 s; the picture alone would have passed it",
        ),
        (
            fail(classes=CRACK, modalities=[seen(-0.4), heard(3.5)], signals=at(80, 90)),
            "crack heard at 85 Hz, 0.02 to 0.05 s; the picture alone would have asked a person",
        ),
        (fail(classes=CRACK, modalities=[seen(-0.4), heard(0.2)]), "crack heard"),
        (
            fail(classes=CRACK, modalities=[seen(8.0), heard(0.1)], images=[pb.ImageEvidence(camera="top", regions=[
                pb.ImageRegion(x_px=30, y_px=12, width_px=30, height_px=28, strength=1)])]),
            "crack seen at x 30 to 60, y 12 to 40 px; the sound alone would have passed it",
        ),
        (
            fail(classes=CRACK, modalities=[seen(8.0), seen(0.0, "side"), heard(0.1)]),
            "crack seen; without the picture of top it would have passed",
        ),
        (fail(classes=CRACK), "crack: score 0.97 is above 0.60"),
        (fail(), "defect: score 0.97 is above 0.60"),
        (
            fail(classes=[pb.ClassProbability(name="dent", probability=0.3)], modalities=[seen(8.0)]),
            "defect, most likely dent, seen",
        ),
        (fail(classes=CRACK, modalities=[heard(4.0)], signals=at(None, None)), "crack heard from 0.02 to 0.05 s"),
        (
            pb.Verdict(reason=pb.DECISION_REASON_GOOD, defect_score=0.0087, modalities=[seen(), heard()], **LIMITS),
            "nothing found in the picture and the sound: score 0.0087, good below 0.10",
        ),
        (
            pb.Verdict(reason=pb.DECISION_REASON_GOOD, defect_score=0.01, modalities=[seen()],
                       experts=[pb.ExpertRun(expert="full", why="skipped")], **LIMITS),
            "nothing found in the picture: score 0.01, good below 0.10; the larger experts were not needed",
        ),
        (
            review(pb.DECISION_REASON_UNCERTAIN, defect_score=0.34, classes=CRACK, modalities=[seen(), heard(2.0)],
                   signals=at(5900, 6300), **LIMITS),
            "score 0.34 is neither good (below 0.10) nor defective (above 0.60); most likely crack heard at 6.1 kHz, "
            "0.02 to 0.05 s",
        ),
        (review(pb.DECISION_REASON_UNCERTAIN), "no calibrated score, so a person looks"),
        (
            review(pb.DECISION_REASON_MISSING_MODALITY,
                   modalities=[seen(), heard(state=MISSING, reason=pb.MODALITY_REASON_NOT_RECEIVED)]),
            "no sound: nothing arrived in time; without it no piece passes",
        ),
        (
            review(pb.DECISION_REASON_MISSING_MODALITY,
                   modalities=[seen(), heard(state=pb.MODALITY_STATE_STALE)]),
            "no sound: the sensor fell silent; without it no piece passes",
        ),
        (
            review(pb.DECISION_REASON_MISSING_MODALITY,
                   modalities=[heard(state=MISSING, reason=pb.MODALITY_REASON_COVERAGE, coverage=0.4)]),
            "no sound: only 40 % of its window arrived; without it no piece passes",
        ),
        (
            review(pb.DECISION_REASON_NO_IMAGE,
                   modalities=[pb.Modality(name="top", kind="image", state=MISSING,
                                           reason=pb.MODALITY_REASON_UNDECODABLE), heard()]),
            "no picture: it could not be decoded",
        ),
        (
            review(pb.DECISION_REASON_IMPLAUSIBLE,
                   modalities=[seen(), heard(state=pb.MODALITY_STATE_IMPLAUSIBLE,
                                             detail="level 0.0 of full scale, expected 0.02: is it unplugged?")]),
            "the sound cannot be believed: level 0.0 of full scale, expected 0.02: is it unplugged?",
        ),
        (
            review(pb.DECISION_REASON_IMPLAUSIBLE,
                   modalities=[heard(state=pb.MODALITY_STATE_IMPLAUSIBLE, reason=pb.MODALITY_REASON_FROZEN)]),
            "the sound cannot be believed: it repeats an earlier recording",
        ),
        (
            review(pb.DECISION_REASON_BACKLOG, arrival_ns=10**18, decision_ns=10**18 + 75 * 10**9),
            "waited longer than the recipe allows (75 s), so it was not judged",
        ),
        (review(pb.DECISION_REASON_NO_RECIPE, product="x"), "no recipe fits this station and product"),
        (review(pb.DECISION_REASON_ABORTED), "the line gave the inspection up"),
        (review(pb.DECISION_REASON_OVERLOAD), "more pieces came than the service can judge, so a person looks"),
        (review(pb.DECISION_REASON_ENGINE), "an engine failed on this piece; the log of the worker says how"),
        (
            review(pb.DECISION_REASON_ID_READ_TWICE),
            "two parts came under this id, so the verdict may be about either",
        ),
        (pb.Verdict(), "no reason was given (unspecified), so a person looks"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_found_where_and_what_decided(verdict: pb.Verdict, words: str) -> None:
    assert sentence(verdict) == words


RULE = "defects.crack.never_pass_above = 0.1"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            review(pb.DECISION_REASON_CLASS_LIMIT, class_rule=RULE, defects=["crack"], defect_score=0.3, pass_below=0.4,
                   classes=[pb.ClassProbability(name="crack", probability=0.2)]),
            f"crack 0.20 is more than the recipe lets pass ({RULE}), though score 0.30 is good below 0.40",
        ),
        (
            review(pb.DECISION_REASON_CLASS_REVIEW, class_rule='defects.stain.decision = "review"', defects=["stain"],
                   classes=[pb.ClassProbability(name="stain", probability=0.9)], modalities=[seen(5.0)]),
            'stain seen; the recipe asks a person about it (defects.stain.decision = "review")',
        ),
        (fail(defects=["unknown defect"], classes=CRACK, modalities=[seen(5.0)]), "unknown defect seen"),
        (fail(defects=["crack", "dent"], classes=CRACK, modalities=[seen(5.0)]), "crack and dent seen"),
    ],
)  # fmt: skip
def test_rules_by_class_and_several_defects_are_said(verdict: pb.Verdict, words: str) -> None:
    assert sentence(verdict) == words


@pytest.mark.parametrize("reason", pb.DecisionReason.values())
def test_every_reason_has_a_sentence_even_for_an_empty_verdict(reason: pb.DecisionReason) -> None:
    assert sentence(pb.Verdict(reason=reason))


def test_a_reason_of_a_newer_version_is_named_by_its_number() -> None:
    verdict = pb.Verdict.FromString(bytes([0x50, 99]))  # field 10, value 99
    assert "99" in sentence(verdict)


@pytest.mark.parametrize("score", [0.0, 1.0, float("nan"), float("inf")])
def test_extreme_scores_have_a_sentence(score: float) -> None:
    assert sentence(fail(defect_score=score, modalities=[seen(800.0), heard(-800.0)]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u2066c", "abc"),
        ("tab\there\x00\x07", "tab here"),
        ("  Prüfstück 検査 ", "Prüfstück 検査"),
        ("x" * 1000, "x" * (MAX_TEXT - 1) + "…"),
        ("<b>", "<b>"),
    ],
)
def test_text_of_others_is_free_of_control_characters_and_bounded(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_limit_next_to_one_is_told_from_the_score_above_it() -> None:
    words = sentence(fail(defect_score=0.99992, fail_above=0.9991))
    assert "score 0.99992 is above 0.9991" in words
