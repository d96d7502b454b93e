"""Prometheus metrics of a worker."""

from collections import Counter as Tally
from collections.abc import Sequence
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inspector.engines.engine import is_fallback
from inspector.plausibility.log import reason_word
from inspector.verdicts.lone import lone_decider, thorough_only
from inspector.verdicts.words import enum_word
from inspector.worker.shards import Shards
from protos.inspection.v1.records_pb2 import DeadLetterReason
from protos.inspection.v1.verdict_pb2 import MODALITY_STATE_IMPLAUSIBLE, Decision, DecisionReason, Verdict
from streams.decode.items import Rejected
from streams.log import Batch
from streams.records import Shard

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PLACE = ("line", "station")
T = TypeVar("T", Counter, Gauge, Histogram)


class WorkerMetrics:
    """All metrics of a worker. One instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._by_station: list[tuple[Counter | Gauge | Histogram, tuple[str, ...]]] = []
        self._children: dict[tuple[object, ...], object] = {}

        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return registered(Counter(f"inspector_{name}", text, labels, registry=registry), labels)

        def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
            return registered(Gauge(f"inspector_{name}", text, labels, registry=registry), labels)

        def histogram(name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
            return registered(
                Histogram(f"inspector_{name}", text, labels, buckets=LATENCY_BUCKETS, registry=registry), labels
            )

        def registered(metric: T, labels: Sequence[str]) -> T:
            if tuple(labels[:2]) == PLACE:
                self._by_station.append((metric, tuple(labels)))
            return metric

        self.records = counter("records", "Records read", ("topic",))
        self.verdicts = counter("verdicts", "Verdicts published", (*PLACE, "decision", "reason"))
        self.missing = counter(
            "modalities_absent", "Modalities missing or stale in verdicts", (*PLACE, "modality", "state")
        )
        self.implausible = counter(
            "implausible", "Cameras and sensors that were not believed, by piece", (*PLACE, "modality", "reason")
        )
        self.dead_letters = counter("dead_letters", "Records that could not be used", ("line", "reason"))
        self.expert_runs = counter("expert_runs", "Runs of an expert, by piece", ("expert",))
        self.expert_skips = counter("expert_skips", "Pieces that an expert did not look at", ("expert", "why"))
        self.lone_decisions = counter(
            "lone_decisions",
            "Decisions that the score of this modality alone would have made, and of no other, at the verdict's limits",
            (*PLACE, "modality"),
        )
        self.gate_weight = counter(
            "gate_weight",
            "Sum of the fusion head's weights on a modality: divided by the sum over all modalities, its mean weight",
            (*PLACE, "modality"),
        )
        self.thorough_only = counter(
            "thorough_only", "Pieces on which thorough experts looked at this modality only", (*PLACE, "modality")
        )
        self.deadline_missed = counter("deadlines_missed", "Verdicts later than the recipe's deadline", PLACE)
        self.engine_fallback = counter(
            "engine_fallback", "Verdicts by ONNX Runtime in place of an engine that failed", ("bundle",)
        )
        self.refused = counter("commits_refused", "Commits refused because another worker has taken over")
        self.lost_offsets = counter("lost_offsets", "Input records that retention removed before they were read")
        self.anchors = counter("stream_anchors", "Times that a stream began or was re-anchored", (*PLACE, "sensor"))
        self.foreign = counter(
            "foreign_records", "Records of output topics, read back and passed over: damaged or not ours", ("topic",)
        )
        self.standstills = counter("standstills", "Times that unread input or open pieces made no progress")
        self.stands_still = gauge("line_stands_still", "1 while unread input or open pieces make no progress")
        self.clock_skew = gauge("clock_skew_seconds", "How far this machine's clock is ahead of the log's")
        self.source_offset = gauge(
            "source_offset_seconds",
            "Lowest delay from event to append of a source in 30 s: how far its clock is behind the log's",
            (*PLACE, "source"),
        )
        self.source_drift = gauge(
            "source_drift_ppm", "How fast a source's clock falls behind the log's", (*PLACE, "source")
        )
        self.source_misfit = gauge(
            "source_misfit_seconds",
            "How much later a chunk was stamped than its samples count, the last time that this exceeded jitter_s",
            (*PLACE, "sensor"),
        )
        self.clock_doubts = counter(
            "clock_doubts", "Pieces that could not pass because of a source's clock", (*PLACE, "source")
        )
        self.open_pieces = gauge("open_pieces", "Pieces that wait for data", ("line", "partition"))
        self.open_bytes = gauge("open_bytes", "Bytes of images in open pieces", ("line", "partition"))
        self.signal_bytes = gauge("signal_bytes", "Bytes of samples that a piece may still need", ("line", "partition"))
        self.unread = gauge("unread_partitions", "Input partitions that are not read to their end")
        self.lag = gauge("consumer_lag_records", "Input records not read yet", ("topic", "partition"))
        self.cost_multiplier = gauge(
            "computing_price_factor", "What budgeted policies multiply their price of computing by"
        )
        self.cost_multiplier.set(1)
        self.latency = histogram("capture_to_publish_seconds", "Capture of the last frame to publication", PLACE)
        self.join_seconds = histogram(
            "arrival_to_decision_seconds", "Append of the last record used to decision", PLACE
        )
        self.decide_seconds = histogram("decision_to_publish_seconds", "Decision to publication", PLACE)
        self.append_delay = histogram("capture_to_append_seconds", "Event time to append time", (*PLACE, "sensor"))
        self.join_wait = histogram("join_wait_seconds", "How long a piece waited for a modality", (*PLACE, "modality"))
        self.commit_seconds = histogram("commit_seconds", "Duration of a commit")

    def _of(self, metric: T, *labels: str) -> T:
        """The metric's child with these labels; the library's look-up takes a lock and makes strings of them."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast(T, child)

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None:
        """Called by the join, as are the next seven: see `streams.join.join_metrics.JoinMetrics`."""
        self._of(self.append_delay, line, station, source).observe(delay_s)

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None:
        self._of(self.join_wait, line, station, modality).observe(wait_s)

    def anchored(self, line: str, station: str, sensor: str) -> None:
        self._of(self.anchors, line, station, sensor).inc()

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None:
        self.source_offset.labels(line, station, source).set(offset_s)
        if drift_ppm is not None:
            self.source_drift.labels(line, station, source).set(drift_ppm)

    def doubted(self, line: str, station: str, source: str) -> None:
        self.clock_doubts.labels(line, station, source).inc()

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None:
        self.source_misfit.labels(line, station, sensor).set(misfit_s)

    def forgot(self, line: str, station: str) -> None:
        """Removes the metrics of a station: clients may invent names, and labels would accumulate."""
        self._children.clear()
        for metric, names in self._by_station:
            samples = [sample.labels for family in metric.collect() for sample in family.samples]
            labels = {tuple(sample[name] for name in names) for sample in samples}
            for values in labels:
                if values[:2] == (line, station):
                    metric.remove(*values)

    def passed_over(self, topic: str, num_records: int) -> None:
        self.foreign.labels(topic).inc(num_records)

    def turn(self, shards: Shards, batch: Batch) -> None:
        """After one turn of the main loop."""
        for topic, num_records in Tally(record.topic for record in batch.records).items():
            self.records.labels(topic).inc(num_records)
        if batch.lost:
            for gauge in (self.lag, self.open_pieces, self.open_bytes, self.signal_bytes):
                gauge.clear()
        self.unread.set(len(batch.unread))
        self.lost_offsets.inc(batch.num_lost)
        for at, lag in batch.lag.items():
            self.lag.labels(*at).set(lag)
        for shard, join in shards:
            self.open_pieces.labels(shard.line, shard.partition).set(join.num_open)
            self.open_bytes.labels(shard.line, shard.partition).set(join.open_bytes)
            self.signal_bytes.labels(shard.line, shard.partition).set(join.signal_bytes)

    def committed(self, verdicts: Sequence[Verdict], commit_s: float) -> None:
        """After a commit that published these verdicts."""
        self.commit_seconds.observe(commit_s)
        for verdict in verdicts:
            self._verdict(verdict)

    def dead_lettered(self, rejected: Sequence[tuple[Shard, Rejected]]) -> None:
        """After a commit that published these dead letters."""
        for shard, rejection in rejected:
            reason = enum_word(DeadLetterReason, rejection.reason).lower()
            self.dead_letters.labels(shard.line, reason).inc()

    def _verdict(self, verdict: Verdict) -> None:
        place = (verdict.inspection.line, verdict.inspection.station)
        decision = enum_word(Decision, verdict.decision).lower()
        reason = enum_word(DecisionReason, verdict.reason).lower()
        self._of(self.verdicts, *place, decision, reason).inc()
        self._of(self.latency, *place).observe((verdict.publish_ns - verdict.capture_ns) / 1e9)
        self._of(self.join_seconds, *place).observe((verdict.decision_ns - verdict.arrival_ns) / 1e9)
        self._of(self.decide_seconds, *place).observe((verdict.publish_ns - verdict.decision_ns) / 1e9)
        if is_fallback(verdict.engine):
            self.engine_fallback.labels(verdict.bundle).inc()
        if verdict.deadline_missed:
            self.deadline_missed.labels(*place).inc()
        for modality in verdict.modalities:
            if modality.state in (2, 3):
                self.missing.labels(*place, modality.name, "missing" if modality.state == 2 else "stale").inc()
            elif modality.state == MODALITY_STATE_IMPLAUSIBLE:
                self.implausible.labels(*place, modality.name, reason_word(modality)).inc()
        self._dominance(place, verdict)
        for run in verdict.experts:
            if run.ran:
                self._of(self.expert_runs, run.expert).inc()
            else:
                self._of(self.expert_skips, run.expert, run.why).inc()

    def _dominance(self, place: tuple[str, str], verdict: Verdict) -> None:
        for modality in verdict.modalities:
            if modality.HasField("gate_weight"):
                self._of(self.gate_weight, *place, modality.name).inc(modality.gate_weight)
        for counted, name in (
            (self.lone_decisions, lone_decider(verdict)),
            (self.thorough_only, thorough_only(verdict)),
        ):
            if name is not None:
                self._of(counted, *place, name).inc()
