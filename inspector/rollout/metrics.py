"""Metrics of deployments and of refused engines, for Prometheus."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inspector.judging.active_models import ActiveModels, DeployedModel, DeploymentTarget

PLACE = ("line", "recipe")


class DeployMetrics:
    """One instance per registry. Every target is exported from the start, so that its first refusal is an increase."""

    def __init__(self, registry: CollectorRegistry, targets: Iterable[DeploymentTarget]) -> None:
        self.refused = Counter("inspector_deploy_refused", "Deployments refused here", PLACE, registry=registry)
        self.live = Gauge("inspector_deployment", "Deployment that judges; 0: the recipe's bundle", PLACE,
                          registry=registry)  # fmt: skip
        self.shadow = Counter(
            "inspector_shadow_verdicts", "Verdicts of a shadow, compared with the live ones", (*PLACE, "outcome"),
            registry=registry,
        )  # fmt: skip
        self.looked = Gauge("inspector_deployments_read_timestamp_seconds", "When it last read the control topics",
                            registry=registry)  # fmt: skip
        self.looked.set_to_current_time()
        for target in targets:
            self.refused.labels(*target)


class RefusedEngines(Collector):
    """Reads from the active models which compiled variants are refused; metrics of a replaced bundle are removed."""

    def __init__(self, active_models: ActiveModels) -> None:
        self._active_models = active_models

    @staticmethod
    def describe() -> list[GaugeMetricFamily]:
        """The metric without its values; the registry asks for it, and the reference in docs/."""
        text = "Compiled variants refused here that come before the one that judges"
        return [GaugeMetricFamily("inspector_engine_refused", text, labels=("bundle", "engine"))]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        (metric,) = self.describe()
        models = (placed.model for placed in _all_placed(self._active_models))
        for labels in sorted({(model.schema.name, engine) for model in models for engine in model.refused}):
            metric.add_metric(labels, 1)
        yield metric


def _all_placed(active_models: ActiveModels) -> Iterator[DeployedModel]:
    for slot in active_models.slots.values():
        yield slot.live
        if slot.trial is not None:
            yield slot.trial.placed
