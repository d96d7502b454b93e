"""Turns a verdict record into the row that is stored for it: the one place that fills the columns."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from inspector.archive.body import StoredVerdict, pack
from inspector.archive.metadata import stored_text
from inspector.verdicts.ring import Entry
from protos.inspection.v1.verdict_pb2 import DECISION_PASS, MODALITY_STATE_PRESENT, ClassProbability, Verdict

NS_PER_DAY = 86_400 * 10**9

Value = str | int | float | bool | None
Columns = dict[str, Value]


@dataclass(frozen=True, slots=True)
class AbsentSensor:
    """A camera or sensor of a verdict that was not PRESENT."""

    sensor: str
    state: int
    reason: int


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """All that is stored of one verdict."""

    columns: Columns
    """Of the table `verdicts`, without `key` and `topic_id`."""
    stored: StoredVerdict
    sensors: tuple[AbsentSensor, ...]


def verdict_row(entry: Entry) -> VerdictRow:
    verdict = Verdict.FromString(entry.value)
    sensors = _absent(verdict)
    stored = pack(verdict)
    columns = {
        "partition": entry.source.partition,
        "offset": entry.offset,
        "append_ns": entry.append_ns,
        "day": verdict.entry_ns // NS_PER_DAY,
        "stored_bytes": stored.num_bytes,
        "defect_class": stored_text(likeliest_class(verdict)),
        **_identity(verdict),
        **_model(verdict),
        **_decision(verdict),
        **_times(verdict),
    }
    return VerdictRow(columns, stored, sensors)


def likeliest_class(verdict: Verdict) -> str:
    """The first defect that the verdict names. Where it names none, the class with the highest probability, or the
    highest raw score where none is calibrated. Empty for PASS, and where no class was examined."""
    if verdict.decision == DECISION_PASS:
        return ""
    if verdict.defects:
        return verdict.defects[0]
    return _highest(verdict.classes, "probability") or _highest(verdict.classes, "raw_score")


def _highest(classes: Iterable[ClassProbability], field: str) -> str:
    known = [(float(getattr(each, field)), each.name) for each in classes if each.HasField(field)]
    return max(known, default=(0.0, ""))[1]


def _identity(verdict: Verdict) -> Columns:
    named = verdict.inspection
    return {
        "line": stored_text(named.line),
        "station": stored_text(named.station),
        "piece_id": stored_text(named.piece_id),
        "pass_number": named.pass_number,
        "product": stored_text(verdict.product),
        "lot": stored_text(verdict.lot),
    }


def _model(verdict: Verdict) -> Columns:
    return {
        "recipe": stored_text(verdict.recipe),
        "recipe_version": stored_text(verdict.recipe_version),
        "bundle": stored_text(verdict.bundle),
        "bundle_version": stored_text(verdict.bundle_version),
        "bundle_digest": stored_text(verdict.bundle_digest),
        "engine": stored_text(verdict.engine),
        "deployment": verdict.deployment,
        "route": stored_text(verdict.route),
    }


def _decision(verdict: Verdict) -> Columns:
    return {
        "decision": verdict.decision,
        "reason": verdict.reason,
        "score": _finite(verdict.defect_score) if verdict.HasField("defect_score") else None,
        "pass_below": _finite(verdict.pass_below) if verdict.HasField("pass_below") else None,
        "fail_above": _finite(verdict.fail_above) if verdict.HasField("fail_above") else None,
        "cost_ms": _finite(verdict.cost_ms) or 0.0,
        "deadline_missed": verdict.deadline_missed,
    }


def _times(verdict: Verdict) -> Columns:
    return {
        "entry_ns": verdict.entry_ns,
        "capture_ns": verdict.capture_ns,
        "arrival_ns": verdict.arrival_ns,
        "decision_ns": verdict.decision_ns,
        "publish_ns": verdict.publish_ns,
    }


def _finite(value: float) -> float | None:
    """SQLite has no NaN, and no one sorts by it."""
    return value if math.isfinite(value) else None


def _absent(verdict: Verdict) -> tuple[AbsentSensor, ...]:
    """Of each sensor the first mention."""
    sensors: dict[str, AbsentSensor] = {}
    for modality in verdict.modalities:
        if modality.state != MODALITY_STATE_PRESENT:
            name = stored_text(modality.name)
            sensors.setdefault(name, AbsentSensor(name, modality.state, modality.reason))
    return tuple(sensors.values())
