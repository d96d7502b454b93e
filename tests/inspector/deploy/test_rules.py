"""The alert rules ask for metrics that a worker has."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.deploy.lineup import Place
from inspector.deploy.metrics import DeployMetrics

RULES = Path(__file__).parents[3] / "deploy/prometheus/deployments.rules.yaml"


def test_every_metric_of_the_rules_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    metrics = DeployMetrics(registry, [Place("l1", "cup")])
    asked = set(re.findall(r"inspector_\w+", "\n".join(re.findall(r"expr:(.*?)labels:", RULES.read_text(), re.DOTALL))))
    told = {sample.name for family in registry.collect() for sample in family.samples}
    assert asked - told == {"inspector_deployment", "inspector_shadow_verdicts_total"}, (
        "these come with what they count"
    )
    metrics.live.labels("l1", "cup").set(1)
    metrics.shadow.labels("l1", "cup", "different").inc()
    told = {sample.name for family in registry.collect() for sample in family.samples}
    assert asked <= told
    assert 'outcome="different"' in RULES.read_text()
