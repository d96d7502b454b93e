"""The metrics of a worker."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.judging.active_models import ActiveModels
from inspector.recipe.recipes import Recipes
from inspector.rollout.metrics import RefusedEngines
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.shards import Shards, ShardSettings
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import (
    DECISION_FAIL,
    DECISION_PASS,
    DECISION_REASON_GOOD,
    DECISION_REVIEW,
    MODALITY_REASON_EXPOSURE,
    MODALITY_STATE_IMPLAUSIBLE,
    ExpertRun,
    Modality,
    Verdict,
)
from streams.decode.limits import Limits
from streams.join.assembly import JoinSettings
from streams.log import Assignment, Batch
from streams.records import Shard, TopicPartition
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver
from tests.line import RECIPE, TOPICS


def test_metrics_of_a_lost_shard_are_removed() -> None:
    metrics = WorkerMetrics(registry := CollectorRegistry())
    resolver = Resolver(ReferenceSettings(), Limits())
    shards = Shards(ShardSettings("qa", ("line-1",), JoinSettings(), Limits()), Recipes([RECIPE]), resolver, metrics)
    shard = Shard("line-1", 0)
    shards.assign(Assignment(shard, {}, dict.fromkeys(TOPICS.inputs, 0)))
    topic = TOPICS.of("frames")
    place = {"topic": topic, "partition": "0"}
    metrics.turn(shards, Batch(None, lag={TopicPartition(topic, 0): 7}))
    assert registry.get_sample_value("inspector_consumer_lag_records", place) == 7
    assert registry.get_sample_value("inspector_open_pieces", {"line": "line-1", "partition": "0"}) == 0
    shards.drop({shard})
    metrics.turn(shards, Batch(None, lost=frozenset({shard})))
    assert registry.get_sample_value("inspector_consumer_lag_records", place) is None
    assert registry.get_sample_value("inspector_open_pieces", {"line": "line-1", "partition": "0"}) is None
    resolver.close()


def test_verdicts_made_under_a_fall_back_are_counted() -> None:
    metrics = WorkerMetrics(registry := CollectorRegistry())
    for engine in ("tensorrt/fp16", "onnx/fp32 (fallback from tensorrt/fp16)", "", "onnx/fp32"):
        metrics.committed(
            [Verdict(bundle="toy", engine=engine, decision=DECISION_PASS, reason=DECISION_REASON_GOOD)], 0.0
        )
    assert registry.get_sample_value("inspector_engine_fallback_total", {"bundle": "toy"}) == 1


def test_sources_that_were_not_believed_are_counted_by_reason() -> None:
    metrics = WorkerMetrics(registry := CollectorRegistry())
    place = Inspection(line="l", station="s")
    dark = Modality(name="top", state=MODALITY_STATE_IMPLAUSIBLE, reason=MODALITY_REASON_EXPOSURE)
    metrics.committed([Verdict(inspection=place, decision=DECISION_REVIEW, modalities=[dark])] * 2, 0.0)
    labels = {"line": "l", "station": "s", "modality": "top", "reason": "exposure"}
    assert registry.get_sample_value("inspector_implausible_total", labels) == 2
    metrics.forgot("l", "s")
    assert registry.get_sample_value("inspector_implausible_total", labels) is None


def test_a_modality_that_decides_alone_is_counted_with_its_weight() -> None:
    metrics = WorkerMetrics(registry := CollectorRegistry())
    modalities = [
        Modality(name=name, defect_score=score, gate_weight=weight)
        for name, score, weight in (("top", 0.1, 0.25), ("mic", 0.95, 0.75))
    ]
    runs = [ExpertRun(expert="ear", modality="mic", ran=True, why="routed")]
    verdict = Verdict(
        inspection=Inspection(line="l", station="s"), decision=DECISION_FAIL, pass_below=0.2, fail_above=0.9,
        modalities=modalities, experts=runs,
    )  # fmt: skip
    metrics.committed([verdict] * 2, 0.0)
    mic, top = ({"line": "l", "station": "s", "modality": name} for name in ("mic", "top"))
    assert registry.get_sample_value("inspector_lone_decisions_total", mic) == 2
    assert registry.get_sample_value("inspector_lone_decisions_total", top) is None
    assert registry.get_sample_value("inspector_thorough_only_total", mic) == 2
    assert [registry.get_sample_value("inspector_gate_weight_total", labels) for labels in (mic, top)] == [1.5, 0.5]
    metrics.forgot("l", "s")
    assert registry.get_sample_value("inspector_gate_weight_total", mic) is None


def test_alerts_are_about_metrics_that_there_are() -> None:
    WorkerMetrics(registry := CollectorRegistry())
    registry.register(RefusedEngines(ActiveModels({})))
    known = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()}
    rules = (Path(__file__).parents[3] / "deploy/prometheus/engines.rules.yaml").read_text()
    named = set(re.findall(r"^ *expr:.*?(inspector_\w+)", rules, re.MULTILINE))
    assert {"inspector_engine_fallback_total", "inspector_engine_refused"} <= named <= known


def test_a_forgotten_station_leaves_no_labels() -> None:
    """Clients may invent names; the metrics of other stations stay."""
    metrics = WorkerMetrics(registry := CollectorRegistry())
    for station in ("a", "typo"):
        metrics.appended("line-1", station, "top", 0.1)
        metrics.anchored("line-1", station, "mic")
        verdict = Verdict(
            decision=DECISION_PASS, reason=DECISION_REASON_GOOD, inspection=Inspection(line="line-1", station=station)
        )
        metrics.committed([verdict], 0.0)
    metrics.forgot("line-1", "typo")
    samples = [sample.labels for family in registry.collect() for sample in family.samples]
    assert {labels["station"] for labels in samples if "station" in labels} == {"a"}


def test_the_clocks_of_sources_are_reported_until_their_station_is_forgotten() -> None:
    metrics = WorkerMetrics(registry := CollectorRegistry())
    top = {"line": "line-1", "station": "a", "source": "top"}
    metrics.source_clock("line-1", "a", "top", 18.02, None)
    assert registry.get_sample_value("inspector_source_offset_seconds", top) == 18.02
    assert registry.get_sample_value("inspector_source_drift_ppm", top) is None
    metrics.source_clock("line-1", "a", "top", 18.02, 90.0)
    metrics.doubted("line-1", "a", "top")
    metrics.misfit("line-1", "a", "mic", 0.05)
    assert registry.get_sample_value("inspector_source_drift_ppm", top) == 90.0
    assert registry.get_sample_value("inspector_clock_doubts_total", top) == 1
    metrics.forgot("line-1", "a")
    assert registry.get_sample_value("inspector_source_offset_seconds", top) is None
    assert registry.get_sample_value("inspector_clock_doubts_total", top) is None
