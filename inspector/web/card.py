"""Turns a verdict into the JSON object that browsers get: `card`. Bounded, and without heat maps and raw bytes.

`at` is [partition, offset]; times are milliseconds since 1970; an absent figure is null.
"""

from collections.abc import Mapping, Sequence

from inspector.verdicts.defects import defects_of, likelihood
from inspector.verdicts.plain_text import plain
from inspector.verdicts.ring import Entry
from inspector.verdicts.sentence import sentence
from inspector.verdicts.words import enum_word
from inspector.web.piece_links import piece_path
from protos.inspection.v1 import verdict_pb2 as pb

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]
Card = dict[str, Value]
MAX_ITEMS, MAX_CLASSES, MAX_NAME = 16, 8, 160
_WORDS: Mapping[int, str] = {pb.DECISION_PASS: "pass", pb.DECISION_FAIL: "fail"}


def decision_word(decision: int) -> str:
    """Anything but PASS and FAIL is "review"."""
    return _WORDS.get(decision, "review")


def address_of(entry: Entry) -> str:
    """The path below which pictures and sounds of this verdict are; it never means another verdict."""
    return f"/live/{entry.source.topic}/{entry.source.partition}/{entry.offset}/{entry.append_ns}"


def card_of(entry: Entry, verdict: pb.Verdict) -> Card:
    """The verdict as the Line page shows it."""
    return {
        "at": [partition_name(entry), entry.offset],
        "media": address_of(entry),
        "page": piece_path(entry.inspection),
        **identity(verdict),
        "decision": decision_word(verdict.decision),
        "reason": enum_word(pb.DecisionReason, verdict.reason).lower(),
        "why": sentence(verdict),
        "score": _optional(verdict, "defect_score"),
        "pass_below": _optional(verdict, "pass_below"),
        "fail_above": _optional(verdict, "fail_above"),
        "defects": [plain(name, 48) for name in defects_of(verdict)[:MAX_CLASSES]],
        "severity": plain(verdict.severity, 16),
        "classes": [_class(entry) for entry in sorted(verdict.classes, key=likelihood, reverse=True)[:MAX_CLASSES]],
        "modalities": [_modality(modality) for modality in verdict.modalities[:MAX_ITEMS]],
        "experts": [_expert(run) for run in verdict.experts[:MAX_ITEMS]],
        "images": [_image(image) for image in verdict.images[:MAX_ITEMS]],
        "signals": [_signal(signal) for signal in verdict.signals[:MAX_ITEMS]],
        "route": plain(verdict.route, 64),
        "cost_ms": round(verdict.cost_ms, 2),
        **_origin(verdict),
        **_times(entry, verdict),
    }


def partition_name(entry: Entry) -> str:
    return f"{entry.source.topic}/{entry.source.partition}"


def identity(verdict: pb.Verdict) -> Card:
    named = verdict.inspection
    return {
        "line": plain(named.line, 48),
        "station": plain(named.station, 48),
        "piece": plain(named.piece_id, MAX_NAME),
        "pass": named.pass_number,
        "product": plain(verdict.product, MAX_NAME),
        "lot": plain(verdict.lot, MAX_NAME),
    }


def _origin(verdict: pb.Verdict) -> Card:
    return {
        "recipe": plain(f"{verdict.recipe} {verdict.recipe_version}", 80),
        "bundle": plain(f"{verdict.bundle} {verdict.bundle_version}", 80),
        "digest": plain(verdict.bundle_digest, 12),
        "engine": plain(verdict.engine, 32),
        "deployment": verdict.deployment,
    }


def _times(entry: Entry, verdict: pb.Verdict) -> Card:
    return {
        "entry_ms": verdict.entry_ns // 10**6,
        "capture_ms": verdict.capture_ns // 10**6,
        "decision_ms": verdict.decision_ns // 10**6,
        "append_ms": entry.append_ns // 10**6,
        "latency_ms": round((verdict.publish_ns - verdict.capture_ns) / 1e6, 1),
        "late": verdict.deadline_missed,
    }


def _optional(message: pb.Verdict | pb.Modality, name: str) -> float | None:
    return round(float(getattr(message, name)), 7) if message.HasField(name) else None


def _class(entry: pb.ClassProbability) -> Card:
    has_any = entry.HasField("probability") or entry.HasField("raw_score")
    value = round(likelihood(entry), 4) if has_any else None
    return {"name": plain(entry.name, 48), "value": value, "calibrated": entry.HasField("probability")}


def _modality(modality: pb.Modality) -> Card:
    return {
        "name": plain(modality.name, 48),
        "kind": plain(modality.kind, 16),
        "state": enum_word(pb.ModalityState, modality.state).lower(),
        "reason": enum_word(pb.ModalityReason, modality.reason).lower() if modality.reason else "",
        "detail": plain(modality.detail),
        "coverage": round(modality.coverage, 3),
        "weight": _optional(modality, "gate_weight"),
        "score": _optional(modality, "defect_score"),
        "raw": _optional(modality, "raw_defect_score"),
        "contribution": _optional(modality, "contribution"),
    }


def _expert(run: pb.ExpertRun) -> Card:
    return {
        "name": plain(run.expert, 48),
        "modality": plain(run.modality, 48),
        "ran": run.ran,
        "why": plain(run.why, 16),
        "cost_ms": round(run.cost_ms, 2),
    }


def _image(image: pb.ImageEvidence) -> Card:
    return {"camera": plain(image.camera, 48), "heat": bool(image.heat_map_png), "regions": _regions(image)}


def _regions(image: pb.ImageEvidence) -> list[Value]:
    """[x, y, width, height, strength] in pixels of the image as it was captured."""
    return [
        [region.x_px, region.y_px, region.width_px, region.height_px, round(region.strength, 3)]
        for region in image.regions[:MAX_ITEMS]
    ]


def _signal(signal: pb.SignalEvidence) -> Card:
    return {
        "sensor": plain(signal.sensor, 48),
        "start_s": round(signal.start_s, 4),
        "end_s": round(signal.end_s, 4),
        "low_hz": round(signal.low_hz, 1) if signal.HasField("low_hz") else None,
        "high_hz": round(signal.high_hz, 1) if signal.HasField("high_hz") else None,
        "strength": round(signal.strength, 3),
    }
