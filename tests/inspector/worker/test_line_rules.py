"""The alerts about the line use metrics that a worker exports."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.worker.metrics import WorkerMetrics
from protos.inspection.v1.records_pb2 import DeadLetterReason

RULES = (Path(__file__).parents[3] / "deploy/prometheus/line.rules.yaml").read_text()


def test_every_alert_uses_a_metric_of_the_worker() -> None:
    WorkerMetrics(registry := CollectorRegistry())
    known = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()}
    queried = set(re.findall(r"inspector_\w+", "\n".join(re.findall(r"expr:(.*?)labels:", RULES, re.DOTALL))))
    assert queried == {
        "inspector_line_stands_still",
        "inspector_clock_skew_seconds",
        "inspector_clock_doubts_total",
        "inspector_source_offset_seconds",
        "inspector_source_drift_ppm",
        "inspector_dead_letters_total",
        "inspector_foreign_records_total",
        "inspector_implausible_total",
    }
    assert queried <= known


def test_the_reasons_in_alerts_exist() -> None:
    patterns = re.findall(r'reason=~"([a-z_|]+)"', RULES)
    reasons = {name.removeprefix("DEAD_LETTER_REASON_").lower() for name in DeadLetterReason.DESCRIPTOR.values_by_name}
    assert set("|".join(patterns).split("|")) <= reasons


def test_the_metrics_of_standstills_exist_before_the_first_one() -> None:
    """Prometheus sees no increase of a metric that does not exist before it rises."""
    WorkerMetrics(registry := CollectorRegistry())
    assert registry.get_sample_value("inspector_line_stands_still") == 0
    assert registry.get_sample_value("inspector_standstills_total") == 0
