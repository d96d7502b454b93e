"""Metrics of kept recordings."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from inspector.archive.recordings.missing import Why
from protos.inspection.v1.verdict_pb2 import Decision


def decision_name(decision: int) -> str:
    """pass, fail or review; `unspecified` for any other number."""
    name = Decision.Name(Decision.ValueType(decision)) if decision in Decision.values() else "DECISION_UNSPECIFIED"
    return name.removeprefix("DECISION_").lower()


class RecordingMetrics:
    """Kept recordings, missing ones, and the lag."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.kept_pieces = Counter(
            "inspector_recordings_kept_pieces", "Pieces with kept recordings.", ["decision"], registry=registry
        )
        self.kept_bytes = Counter(
            "inspector_recordings_kept_bytes", "Bytes of files of kept pieces.", ["decision"], registry=registry
        )
        self.removed_pieces = Counter(
            "inspector_recordings_removed_pieces",
            "Pieces whose recordings were removed, by age or for the limit of bytes.",
            ["decision", "cause"],
            registry=registry,
        )
        self.missing = Counter(
            "inspector_recordings_missing",
            "Images and clips that could not be kept, by reason; `gone`: the log deleted them first.",
            ["reason"],
            registry=registry,
        )
        self.kept_now_bytes = Gauge(
            "inspector_recordings_bytes", "Bytes that are kept now, by decision.", ["decision"], registry=registry
        )
        self.held_bytes = Gauge(
            "inspector_recordings_held_bytes",
            "Those of them that a review or a data set holds, beyond the limits of the recipes.",
            ["decision"],
            registry=registry,
        )
        self.at_limit = Gauge(
            "inspector_recordings_at_limit",
            "1 while the oldest recordings are removed before their days are over, for the limit of bytes.",
            ["decision"],
            registry=registry,
        )
        self.lag_s = Gauge(
            "inspector_recordings_lag_seconds",
            "Age of the oldest verdict whose recordings are not yet looked at.",
            registry=registry,
        )
        self.store_errors = Counter(
            "inspector_recordings_store_errors", "Failed calls of the object store.", registry=registry
        )
        self.is_full = Gauge(
            "inspector_recordings_full",
            "1 while no recordings are kept because the disk is full. The line is not affected.",
            registry=registry,
        )
        self.orphans = Counter("inspector_recordings_orphans", "Files removed that no piece needed.", registry=registry)
        for why in Why:
            self.missing.labels(why.value)
