"""The alert rules ask for metrics that a worker has."""

import re
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.metrics import DeployMetrics

RULES = Path(__file__).parents[3] / "deploy/prometheus/deployments.rules.yaml"
PLACE = DeploymentTarget("l1", "cup")


def test_what_is_refused_at_a_start_is_distinguished_from_what_was_refused_long_ago() -> None:
    """By when the counter began, for no increase is seen of one that is 1 from the first scrape on."""
    registry = CollectorRegistry()
    before_s = time.time()
    DeployMetrics(registry, [PLACE]).refused.labels(*PLACE).inc()
    began_s = registry.get_sample_value("inspector_deploy_refused_created", PLACE._asdict())
    assert began_s is not None
    assert before_s <= began_s <= time.time()
    expression = "or (inspector_deploy_refused_total > 0 and time() - inspector_deploy_refused_created < 900)"
    assert expression in RULES.read_text()


def test_every_metric_of_the_rules_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    metrics = DeployMetrics(registry, [PLACE])
    needed = set(
        re.findall(r"inspector_\w+", "\n".join(re.findall(r"expr:(.*?)labels:", RULES.read_text(), re.DOTALL)))
    )
    exported = {sample.name for family in registry.collect() for sample in family.samples}
    assert needed - exported == {"inspector_deployment", "inspector_shadow_verdicts_total"}, (
        "these come with what they count"
    )
    metrics.live.labels("l1", "cup").set(1)
    metrics.shadow.labels("l1", "cup", "different").inc()
    exported = {sample.name for family in registry.collect() for sample in family.samples}
    assert needed <= exported
    assert 'outcome="different"' in RULES.read_text()
