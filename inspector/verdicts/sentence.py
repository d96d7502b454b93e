"""Explains a verdict in one sentence: "crack heard at 6.1 kHz, 0.02 to 0.05 s; the picture alone would
have passed it". Reads the verdict alone, so the sentence is the same on every page and in every tool."""

import math
from collections.abc import Callable, Mapping

from inspector.verdicts.class_words import class_limit, class_name, class_words
from inspector.verdicts.plain_text import listed, plain
from inspector.verdicts.score_text import score_text
from inspector.verdicts.words import RunReason, enum_word
from protos.inspection.v1 import verdict_pb2 as pb

_NOUNS: Mapping[str, str] = {"image": "picture", "audio": "sound", "vibration": "vibration", "trace": "trace"}
_SENSES: Mapping[str, str] = {"image": "seen", "audio": "heard", "vibration": "felt", "trace": "measured"}
_ABSENCES: Mapping[int, str] = {
    pb.MODALITY_REASON_NOT_RECEIVED: "nothing arrived in time",
    pb.MODALITY_REASON_COVERAGE: "only {share} of its window arrived",
    pb.MODALITY_REASON_UNDECODABLE: "it could not be decoded",
    pb.MODALITY_REASON_REFERENCE: "its file could not be fetched",
    pb.MODALITY_REASON_NO_ANCHOR: "the moment that it is cut at never came",
    pb.MODALITY_REASON_NOT_EXAMINED: "no expert examined it",
    pb.MODALITY_REASON_EXPOSURE: "darker or brighter than any good one",
    pb.MODALITY_REASON_CONTRAST: "less contrast than any good one",
    pb.MODALITY_REASON_SHARPNESS: "less sharp than any good one",
    pb.MODALITY_REASON_NOISE: "more noise than in any good one",
    pb.MODALITY_REASON_SATURATED: "too many pixels at the end of their range",
    pb.MODALITY_REASON_FORMAT: "channels, bit depth or rate are not those of training",
    pb.MODALITY_REASON_FROZEN: "it repeats an earlier recording",
    pb.MODALITY_REASON_LEVEL: "silent, or louder than any good one",
    pb.MODALITY_REASON_CLIPPED: "too many samples at the end of their range",
    pb.MODALITY_REASON_OFFSET: "a constant offset that no good one has",
    pb.MODALITY_REASON_DEAD_CHANNEL: "one channel is dead",
    pb.MODALITY_REASON_CLOCK: "its clock is off",
    pb.MODALITY_REASON_SIZE: "its size is not that of training",
    pb.MODALITY_REASON_ALIGNMENT: "it does not lie over the reference picture",
}


def sentence(verdict: pb.Verdict) -> str:
    """One sentence without a full stop, for people; names in it are free of control characters."""
    say = _SENTENCES.get(verdict.reason)
    if say is None:
        return f"no reason was given ({enum_word(pb.DecisionReason, verdict.reason).lower()}), so a person looks"
    return say(verdict)


def _defect(verdict: pb.Verdict) -> str:
    """FAIL: the class, what showed it and where, and whether the others would have noticed."""
    chief = _chief(verdict)
    if chief is None or chief.contribution <= 0:
        return f"{class_words(verdict)}: {_over_limit(verdict)}"
    parts = [class_words(verdict), _SENSES.get(chief.kind, "found"), _place(verdict, chief)]
    first = " ".join(part for part in parts if part)
    return "; ".join(part for part in (first, _without(verdict, chief)) if part)


def _class_review(verdict: pb.Verdict) -> str:
    return f"{_defect(verdict)}; the recipe asks a person about it ({plain(verdict.class_rule)})"


def _good(verdict: pb.Verdict) -> str:
    examined = [_noun(verdict, modality) for modality in verdict.modalities if _is_examined(modality)]
    where = f" in {listed(examined)}" if examined else ""
    skipped = any(run.why == RunReason.SKIPPED for run in verdict.experts)
    more = "; the larger experts were not needed" if skipped else ""
    score, limit = score_text(verdict.defect_score), score_text(verdict.pass_below)
    return f"nothing found{where}: score {score}, good below {limit}{more}"


def _uncertain(verdict: pb.Verdict) -> str:
    if not verdict.HasField("defect_score") or not verdict.HasField("pass_below"):
        return "no calibrated score, so a person looks"
    score, low, high = (score_text(value) for value in (verdict.defect_score, verdict.pass_below, verdict.fail_above))
    between = f"score {score} is neither good (below {low}) nor defective (above {high})"
    chief = _chief(verdict)
    if chief is None or chief.contribution <= 0:
        return between
    parts = (class_name(verdict), _SENSES.get(chief.kind, "found"), _place(verdict, chief))
    return f"{between}; most likely {' '.join(part for part in parts if part)}"


def _missing(verdict: pb.Verdict) -> str:
    causes = [_absence(verdict, modality) for modality in verdict.modalities if not _is_examined(modality)]
    return f"{'; '.join(causes) or 'a required recording is missing'}; without it no piece passes"


def _no_image(verdict: pb.Verdict) -> str:
    images = [modality for modality in verdict.modalities if modality.kind == "image"]
    return "; ".join(_absence(verdict, modality) for modality in images) or "no usable picture came"


def _implausible(verdict: pb.Verdict) -> str:
    causes = [
        f"{_noun(verdict, modality)} cannot be believed: {plain(modality.detail) or _absence_words(modality)}"
        for modality in verdict.modalities
        if modality.state == pb.MODALITY_STATE_IMPLAUSIBLE
    ]
    return "; ".join(causes) or "a recording cannot be believed"


def _backlog(verdict: pb.Verdict) -> str:
    waited_s = (verdict.decision_ns - verdict.arrival_ns) / 1e9
    waited = f" ({waited_s:.0f} s)" if verdict.arrival_ns and waited_s > 0 else ""
    return f"waited longer than the recipe allows{waited}, so it was not judged"


def _fixed(text: str) -> Callable[[pb.Verdict], str]:
    return lambda verdict: text


_SENTENCES: Mapping[int, Callable[[pb.Verdict], str]] = {
    pb.DECISION_REASON_GOOD: _good,
    pb.DECISION_REASON_DEFECT: _defect,
    pb.DECISION_REASON_UNCERTAIN: _uncertain,
    pb.DECISION_REASON_NO_IMAGE: _no_image,
    pb.DECISION_REASON_MISSING_MODALITY: _missing,
    pb.DECISION_REASON_IMPLAUSIBLE: _implausible,
    pb.DECISION_REASON_BACKLOG: _backlog,
    pb.DECISION_REASON_ABORTED: _fixed("the line gave the inspection up"),
    pb.DECISION_REASON_NO_RECIPE: _fixed("no recipe fits this station and product"),
    pb.DECISION_REASON_OVERLOAD: _fixed("more pieces came than the service can judge, so a person looks"),
    pb.DECISION_REASON_ENGINE: _fixed("an engine failed on this piece; the log of the worker says how"),
    pb.DECISION_REASON_CLASS_LIMIT: class_limit,
    pb.DECISION_REASON_CLASS_REVIEW: _class_review,
    pb.DECISION_REASON_ID_READ_TWICE: _fixed("two parts came under this id, so the verdict may be about either"),
}


def _chief(verdict: pb.Verdict) -> pb.Modality | None:
    """The modality that adds most to the defect score."""
    measured = [modality for modality in verdict.modalities if modality.HasField("contribution")]
    return max(measured, key=lambda modality: modality.contribution, default=None)


def _is_examined(modality: pb.Modality) -> bool:
    return modality.state == pb.MODALITY_STATE_PRESENT and modality.reason != pb.MODALITY_REASON_NOT_EXAMINED


def _noun(verdict: pb.Verdict, modality: pb.Modality) -> str:
    """`the picture`, or with several of a kind `the picture of top`."""
    noun = _NOUNS.get(modality.kind, "recording")
    alike = sum(other.kind == modality.kind for other in verdict.modalities)
    return f"the {noun} of {plain(modality.name, 48)}" if alike > 1 else f"the {noun}"


def _absence(verdict: pb.Verdict, modality: pb.Modality) -> str:
    noun = f"{_noun(verdict, modality).removeprefix('the ')}"
    if modality.state == pb.MODALITY_STATE_STALE:
        return f"no {noun}: the sensor fell silent"
    if modality.state == pb.MODALITY_STATE_IMPLAUSIBLE:
        return f"{noun} cannot be believed: {plain(modality.detail) or _absence_words(modality)}"
    return f"no {noun}: {_absence_words(modality)}"


def _absence_words(modality: pb.Modality) -> str:
    words = _ABSENCES.get(modality.reason, enum_word(pb.ModalityReason, modality.reason).lower().replace("_", " "))
    return words.format(share=f"{100 * modality.coverage:.0f} %")


def _over_limit(verdict: pb.Verdict) -> str:
    return f"score {score_text(verdict.defect_score)} is above {score_text(verdict.fail_above)}"


def _place(verdict: pb.Verdict, modality: pb.Modality) -> str:
    """Where the evidence of this modality is strongest; empty where nothing is known."""
    for signal in verdict.signals:
        if signal.sensor == modality.name:
            return _signal_place(signal)
    for image in verdict.images:
        if image.camera == modality.name and image.regions:
            return _image_place(image.regions[0])
    return ""


def _signal_place(signal: pb.SignalEvidence) -> str:
    times = f"{signal.start_s:.2f} to {signal.end_s:.2f} s"
    if not signal.HasField("low_hz") or not signal.HasField("high_hz"):
        return f"from {times}"
    return f"{_band(signal.low_hz, signal.high_hz)}, {times}"


def _band(low_hz: float, high_hz: float) -> str:
    """`at 6.1 kHz`, or for a wide band `at 2.1 to 6.1 kHz`."""
    middle_hz = (low_hz + high_hz) / 2
    if high_hz - low_hz <= middle_hz / 4:
        return f"at {middle_hz / 1000:.1f} kHz" if middle_hz >= 1000 else f"at {middle_hz:.0f} Hz"
    if high_hz >= 1000:
        return f"at {low_hz / 1000:.1f} to {high_hz / 1000:.1f} kHz"
    return f"at {low_hz:.0f} to {high_hz:.0f} Hz"


def _image_place(region: pb.ImageRegion) -> str:
    right, bottom = region.x_px + region.width_px, region.y_px + region.height_px
    return f"at x {region.x_px} to {right}, y {region.y_px} to {bottom} px"


def _without(verdict: pb.Verdict, chief: pb.Modality) -> str:
    """The decision without the chief modality, by the log-odds that it adds."""
    if not verdict.HasField("pass_below") or not 0 < verdict.defect_score <= 1:
        return ""
    others = [modality for modality in verdict.modalities if modality is not chief and _is_examined(modality)]
    if not others:
        return ""
    rest = _score_without(verdict.defect_score, chief.contribution)
    if rest > verdict.fail_above:
        return ""
    outcome = "passed it" if rest < verdict.pass_below else "asked a person"
    if len(others) == 1:
        return f"{_noun(verdict, others[0])} alone would have {outcome}"
    ending = "passed" if outcome == "passed it" else "gone to a person"
    return f"without {_noun(verdict, chief)} it would have {ending}"


def _score_without(score: float, contribution: float) -> float:
    bounded = min(max(score, 1e-9), 1 - 1e-9)
    return 1 / (1 + math.exp(min(contribution - math.log(bounded / (1 - bounded)), 700.0)))
