"""Makes the observation that a verdict was made of: its recordings, with the states that the join gave them.

Judging marks more sources as implausible; these marks are left out, because judging again makes them again.
"""

from collections.abc import Mapping, Sequence

from inspector.verdicts.blank import ABSENCES, STATES
from inspector.verdicts.inputs import offsets_of, spans_of
from inspector.verdicts.records import inspection_id
from protos.inspection.v1 import verdict_pb2 as pb
from streams.join.whole import Sound
from streams.observation import Clip, CloseReason, Image, MissingReason, ModalityKind, Observation, State, View

_STATES = {number: state for state, number in STATES.items()}
_ABSENCES = {number: absence for absence, number in ABSENCES.items()}
_BY_JOIN = {MissingReason.FROZEN, MissingReason.CLOCK}
"""Reasons for which the join, not judging, marks a source as implausible."""
_CLOSINGS: Mapping[int, CloseReason] = {
    pb.DECISION_REASON_ABORTED: CloseReason.ABORTED,
    pb.DECISION_REASON_NO_RECIPE: CloseReason.NO_RECIPE,
    pb.DECISION_REASON_OVERLOAD: CloseReason.STATE_LIMIT,
}
"""Other pieces may have been closed as COMPLETE or PASSED, which makes no difference to their verdict."""
_KINDS: Mapping[str, ModalityKind] = {"audio": "audio", "vibration": "vibration", "trace": "trace"}


def observation_of(
    verdict: pb.Verdict, images: Mapping[str, Sequence[Image]], sounds: Mapping[str, Sound], append_ns: int = 0
) -> Observation:
    """`images` by camera, in order of sequence; `sounds` by sensor. `append_ns` is the append time of the first record,
    as far as it is known; the verdict's `arrival_ns` otherwise. The rate of a sensor without samples is 0."""
    pictures = [modality for modality in verdict.modalities if modality.kind == "image"]
    signals = [modality for modality in verdict.modalities if modality.kind in _KINDS]
    return Observation(
        inspection=inspection_id(verdict.inspection),
        product=verdict.product,
        lot=verdict.lot,
        closing=_CLOSINGS.get(verdict.reason, CloseReason.COMPLETE),
        views={modality.name: _view(verdict, modality, images.get(modality.name, ())) for modality in pictures},
        clips={modality.name: _clip(verdict, modality, sounds.get(modality.name)) for modality in signals},
        entry_ns=verdict.entry_ns,
        capture_ns=verdict.capture_ns,
        append_ns=append_ns or verdict.arrival_ns,
        arrival_ns=verdict.arrival_ns,
        partition=verdict.inputs.partition if verdict.HasField("inputs") else None,
        is_read_twice=verdict.reason == pb.DECISION_REASON_ID_READ_TWICE,
    )


def _view(verdict: pb.Verdict, modality: pb.Modality, images: Sequence[Image]) -> View:
    state, absence, detail = _as_joined(modality)
    frames = next((frames for frames in verdict.inputs.frames if frames.camera == modality.name), pb.FrameInput())
    return View(
        modality.name,
        tuple(images),
        state,
        absence,
        coverage=modality.coverage,
        detail=detail,
        offsets=tuple(offsets_of(frames.offset_steps)),
        bit_depth=frames.bit_depth or None,
    )


def _clip(verdict: pb.Verdict, modality: pb.Modality, sound: Sound | None) -> Clip:
    state, absence, detail = _as_joined(modality)
    signal = next((signal for signal in verdict.inputs.signals if signal.sensor == modality.name), pb.SignalInput())
    return Clip(
        modality.name,
        _KINDS[modality.kind],
        None if sound is None else sound.samples,
        0.0 if sound is None else sound.sample_rate_hz,
        state,
        absence,
        coverage=modality.coverage,
        first_ns=signal.first_ns,
        detail=detail,
        spans=spans_of(signal),
    )


def _as_joined(modality: pb.Modality) -> tuple[State, MissingReason | None, str]:
    state, absence = _STATES.get(modality.state, State.MISSING), _ABSENCES.get(modality.reason)
    if state is State.PRESENT or (state is State.IMPLAUSIBLE and absence not in _BY_JOIN):
        return State.PRESENT, None, ""
    return state, absence, modality.detail
