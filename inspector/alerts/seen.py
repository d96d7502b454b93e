"""What conditions read of one verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

from inspector.archive.verdict_row import likeliest_class
from inspector.verdicts.ring import Entry
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Modality, ModalityReason, ModalityState, Verdict
from streams.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera or sensor of a piece."""

    is_silent: bool
    is_stuck: bool
    score: float | None
    """None where nothing looked at it or it cannot be believed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One verdict."""

    source: TopicPartition
    offset: int
    append_ns: int
    line: str
    station: str
    product: str
    piece_id: str
    decision: int
    defect_class: str
    """Likeliest class of a piece that did not pass; empty for PASS, and where no class was examined."""
    severity: str
    """Highest severity of its defects by the recipe; empty where it has none."""
    bundle: str
    """Digest of the bundle that judged; empty where none did."""
    is_late: bool
    is_engine_fault: bool
    wait_s: float
    """From the last record of the piece to its decision."""
    sensors: Mapping[str, Sensor]

    @property
    def is_pass(self) -> bool:
        return self.decision == Decision.DECISION_PASS


def seen_of(entry: Entry) -> Seen:
    verdict = Verdict.FromString(entry.value)
    return Seen(
        source=entry.source,
        offset=entry.offset,
        append_ns=entry.append_ns,
        line=entry.inspection.line,
        station=entry.inspection.station,
        product=entry.product,
        piece_id=entry.inspection.piece_id,
        decision=entry.decision,
        defect_class=likeliest_class(verdict),
        severity=verdict.severity,
        bundle=verdict.bundle_digest,
        is_late=verdict.deadline_missed,
        is_engine_fault=verdict.reason == DecisionReason.DECISION_REASON_ENGINE,
        wait_s=max(0, verdict.decision_ns - verdict.arrival_ns) / 1e9 if verdict.arrival_ns else 0.0,
        sensors={modality.name: _sensor(modality) for modality in verdict.modalities},
    )


def _sensor(modality: Modality) -> Sensor:
    state = modality.state
    is_stuck = modality.reason == ModalityReason.MODALITY_REASON_FROZEN
    return Sensor(
        is_silent=state in (ModalityState.MODALITY_STATE_MISSING, ModalityState.MODALITY_STATE_STALE),
        is_stuck=state == ModalityState.MODALITY_STATE_IMPLAUSIBLE and is_stuck,
        score=_score(modality) if state == ModalityState.MODALITY_STATE_PRESENT else None,
    )


def _score(modality: Modality) -> float | None:
    if modality.HasField("defect_score"):
        return modality.defect_score
    return modality.raw_defect_score if modality.HasField("raw_defect_score") else None
