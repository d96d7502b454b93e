"""Builds the verdict of a piece that no model has judged: identity, modalities and the reason."""

from collections.abc import Mapping
from typing import Protocol

from inspector.verdicts.inputs import inputs_of
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Inspection
from streams.observation import Clip, MissingReason, ModalityKind, Observation, State, View

STATES: Mapping[State, pb.ModalityState] = {
    State.PRESENT: pb.MODALITY_STATE_PRESENT,
    State.MISSING: pb.MODALITY_STATE_MISSING,
    State.STALE: pb.MODALITY_STATE_STALE,
    State.IMPLAUSIBLE: pb.MODALITY_STATE_IMPLAUSIBLE,
}
ABSENCES: Mapping[MissingReason | None, pb.ModalityReason] = {
    None: pb.MODALITY_REASON_UNSPECIFIED,
    **{absence: getattr(pb, f"MODALITY_REASON_{absence.name}") for absence in MissingReason},
}


class NamedRecipe(Protocol):
    """The recipe's fields in a verdict."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kinds(self) -> Mapping[str, ModalityKind]: ...


def blank_verdict(
    piece: Observation, recipe: NamedRecipe | None, ruling: tuple[pb.Decision, pb.DecisionReason]
) -> pb.Verdict:
    """All fields that need no model."""
    decision, reason = ruling
    line, station, piece_id, pass_number = piece.inspection
    verdict = pb.Verdict(
        inspection=Inspection(line=line, station=station, piece_id=piece_id, pass_number=pass_number),
        product=piece.product,
        lot=piece.lot,
        decision=decision,
        reason=reason,
        capture_ns=piece.capture_ns,
        arrival_ns=piece.arrival_ns,
        entry_ns=piece.entry_ns,
    )
    if recipe is not None:
        verdict.recipe, verdict.recipe_version = recipe.name, recipe.version
    for name, kind in (_kinds(piece) if recipe is None else recipe.kinds).items():
        verdict.modalities.append(_modality(name, kind, piece.views.get(name) or piece.clips.get(name)))
    if (inputs := inputs_of(piece)) is not None:
        verdict.inputs.CopyFrom(inputs)
    return verdict


def _kinds(piece: Observation) -> dict[str, ModalityKind]:
    views: dict[str, ModalityKind] = dict.fromkeys(piece.views, "image")
    return views | {name: clip.kind for name, clip in piece.clips.items()}


def _modality(name: str, kind: ModalityKind, source: View | Clip | None) -> pb.Modality:
    if source is None:
        missing, reason = pb.MODALITY_STATE_MISSING, pb.MODALITY_REASON_NOT_RECEIVED
        return pb.Modality(name=name, kind=kind, state=missing, reason=reason)
    state, reason = STATES[source.state], ABSENCES[source.absence]
    return pb.Modality(name=name, kind=kind, state=state, reason=reason, coverage=source.coverage, detail=source.detail)
