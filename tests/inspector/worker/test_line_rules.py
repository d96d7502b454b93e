"""The alerts about the line ask for what a worker reports."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.worker.metrics import WorkerMetrics
from protos.inspection.v1.records_pb2 import DeadLetterReason

RULES = (Path(__file__).parents[3] / "deploy/prometheus/line.rules.yaml").read_text()


def test_every_alert_asks_for_a_metric_of_the_worker() -> None:
    WorkerMetrics(registry := CollectorRegistry())
    known = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()}
    asked = set(re.findall(r"inspector_\w+", "\n".join(re.findall(r"expr:(.*?)labels:", RULES, re.DOTALL))))
    assert asked == {
        "inspector_line_stands_still",
        "inspector_clock_skew_seconds",
        "inspector_clock_doubts_total",
        "inspector_source_offset_seconds",
        "inspector_source_drift_ppm",
        "inspector_dead_letters_total",
        "inspector_foreign_records_total",
        "inspector_implausible_total",
    }
    assert asked <= known


def test_the_reasons_asked_for_are_reasons() -> None:
    asked = re.findall(r'reason=~"([a-z_|]+)"', RULES)
    reasons = {name.removeprefix("DEAD_LETTER_REASON_").lower() for name in DeadLetterReason.DESCRIPTOR.values_by_name}
    assert set("|".join(asked).split("|")) <= reasons


def test_what_stands_still_is_known_before_anything_stands_still() -> None:
    """No increase is seen of a gauge or counter that is not there until it rises."""
    WorkerMetrics(registry := CollectorRegistry())
    assert registry.get_sample_value("inspector_line_stands_still") == 0
    assert registry.get_sample_value("inspector_standstills_total") == 0
