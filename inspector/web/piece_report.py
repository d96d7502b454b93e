"""The texts of a piece's page: the verdict, its origin, and people's findings."""

from collections.abc import Mapping, Sequence

from inspector.archive.rows import KeptFeedback, PieceRow
from inspector.verdicts.defects import likelihood
from inspector.verdicts.inputs import offsets_of
from inspector.verdicts.records import inspection_id
from inspector.verdicts.ring import Entry
from inspector.web.card import Card, card_of, decision_word
from inspector.web.piece_links import list_path, piece_path
from inspector.web.piece_words import reason_word, score_words, time_words
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Label
from streams.observation import InspectionId
from streams.records import TopicPartition

MAX_OFFSETS = 12
"""Offsets that are written out for one source; of more, the first and the last."""
Fact = tuple[str, str, str]
"""Name, value, and an address behind it or nothing."""


def kept_path(key: int) -> str:
    """Below it are pictures, sounds and files of the archive's verdict `key`."""
    return f"/kept/{key}"


def kept_card(row: PieceRow, verdict: pb.Verdict) -> Card:
    """As the Line page gets it, with the addresses of the archive."""
    entry = Entry(TopicPartition("", 0), 0, row.append_ns, inspection_id(verdict.inspection), "", row.decision, b"")
    return {**card_of(entry, verdict), "media": kept_path(row.key)}


def origin(row: PieceRow, verdict: pb.Verdict) -> list[Fact]:
    """Which model judged the piece, by which recipe, and how."""
    deployment = f"number {verdict.deployment}" if verdict.deployment else "named by the recipe itself"
    return [
        ("Product", verdict.product or "-", list_path([("product", verdict.product)])),
        ("Lot", verdict.lot or "unknown", list_path([("lot", verdict.lot)]) if verdict.lot else ""),
        ("Recipe", f"{verdict.recipe or 'none'} {verdict.recipe_version}", ""),
        ("Bundle", f"{verdict.bundle or 'none'} {verdict.bundle_version}", _bundle_path(verdict)),
        ("Digest of the bundle", verdict.bundle_digest or "-", _bundle_path(verdict)),
        ("Deployment", deployment, ""),
        ("Engine", verdict.engine or "-", ""),
        ("Route", verdict.route or "-", ""),
        ("Computing", f"{verdict.cost_ms:.2f} ms", ""),
        ("Reason", reason_word(row.reason), ""),
        ("Revision", str(verdict.revision), ""),
    ]


def _bundle_path(verdict: pb.Verdict) -> str:
    return list_path([("bundle", verdict.bundle_digest)]) if verdict.bundle_digest else ""


def times(row: PieceRow, verdict: pb.Verdict) -> list[dict[str, object]]:
    """Each moment with the milliseconds since the entry; moments that were not stamped are left out."""
    moments = (
        ("Entered", verdict.entry_ns),
        ("Captured", verdict.capture_ns),
        ("Last record arrived", verdict.arrival_ns),
        ("Decided", verdict.decision_ns),
        ("Published", verdict.publish_ns),
        ("In the log", row.append_ns),
    )
    return [
        {"name": name, "time": time_words(at_ns), "after": f"{(at_ns - verdict.entry_ns) / 1e6:+,.1f} ms"}
        for name, at_ns in moments
        if at_ns > 0
    ]


def inputs(verdict: pb.Verdict) -> list[dict[str, str]]:
    """The records that were judged, by camera and sensor."""
    frames = [(each.camera, "frames", offsets_of(each.offset_steps)) for each in verdict.inputs.frames]
    signals = [
        (each.sensor, "signals", [offset for span in each.spans for offset in offsets_of(span.offset_steps)])
        for each in verdict.inputs.signals
    ]
    partition = verdict.inputs.partition
    return [
        {"source": source, "topic": f"{topic}, partition {partition}", "offsets": _listed(offsets)}
        for source, topic, offsets in (*frames, *signals)
    ]


def _listed(offsets: Sequence[int]) -> str:
    if len(offsets) <= MAX_OFFSETS:
        return ", ".join(map(str, offsets)) or "not named"
    return f"{offsets[0]} to {offsets[-1]} ({len(offsets)} records)"


def classes(verdict: pb.Verdict) -> list[dict[str, str]]:
    """Likeliest first."""
    known = sorted(verdict.classes, key=likelihood, reverse=True)
    return [{"name": each.name, "value": _class_words(each), "severity": each.severity} for each in known]


def _class_words(defect_class: pb.ClassProbability) -> str:
    if defect_class.HasField("probability"):
        return f"{100 * defect_class.probability:.1f} %"
    return f"{defect_class.raw_score:.3f} (not calibrated)" if defect_class.HasField("raw_score") else "not examined"


_LABELS: Mapping[int, str] = {
    Label.LABEL_OK: "OK",
    Label.LABEL_NOK: "NOK",
    Label.LABEL_UNSURE: "don't know",
    Label.LABEL_WITHDRAWN: "takes it back",
}


def findings(kept: Sequence[KeptFeedback]) -> list[dict[str, object]]:
    return [
        {
            "label": _LABELS.get(finding.label, "unknown"),
            "defects": ", ".join(finding.defects),
            "author": finding.author or "unknown",
            "note": finding.note,
            "time": time_words(finding.given_ns),
        }
        for finding in kept
    ]


def passes(rows: Sequence[PieceRow], shown: PieceRow) -> list[dict[str, object]]:
    """Other verdicts on the piece of this name: further stations and passes."""
    return [
        {
            "href": piece_path(InspectionId(row.line, row.station, row.piece_id, row.pass_number)),
            "where": f"{row.line} / {row.station}, pass {row.pass_number}",
            "decision": decision_word(row.decision),
            "score": score_words(row.score),
            "time": time_words(row.entry_ns),
        }
        for row in rows
        if row.key != shown.key
    ]
