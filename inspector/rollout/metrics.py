"""Counts what deployments come to in one process and tells of refused engines, for Prometheus. Decides nothing."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inspector.judging.active_models import ActiveModels, DeployedModel, DeploymentTarget

PLACE = ("line", "recipe")


class DeployMetrics:
    """One registry, one instance. A place is there from the start, so that its first refusal is an increase."""

    def __init__(self, registry: CollectorRegistry, places: Iterable[DeploymentTarget]) -> None:
        self.refused = Counter("inspector_deploy_refused", "Deployments refused here", PLACE, registry=registry)
        self.live = Gauge("inspector_deployment", "Deployment that judges; 0: the recipe's bundle", PLACE,
                          registry=registry)  # fmt: skip
        self.shadow = Counter(
            "inspector_shadow_verdicts", "Verdicts of a shadow, against the live ones", (*PLACE, "outcome"),
            registry=registry,
        )  # fmt: skip
        self.looked = Gauge("inspector_deployments_read_timestamp_seconds", "When it last read what is deployed",
                            registry=registry)  # fmt: skip
        self.looked.set_to_current_time()
        for place in places:
            self.refused.labels(*place)


class RefusedEngines(Collector):
    """Reads off the line-up which compiled forms are refused: a bundle that judges no more is told of no more."""

    def __init__(self, lineup: ActiveModels) -> None:
        self._active_models = lineup

    @staticmethod
    def describe() -> list[GaugeMetricFamily]:
        """The metric without its values; the registry asks for it, and the reference in docs/."""
        words = "Compiled forms that may not judge here and come before the one that does"
        return [GaugeMetricFamily("inspector_engine_refused", words, labels=("bundle", "engine"))]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        (told,) = self.describe()
        models = (placed.model for placed in _all_placed(self._active_models))
        for named in sorted({(model.schema.name, engine) for model in models for engine in model.refused}):
            told.add_metric(named, 1)
        yield told


def _all_placed(lineup: ActiveModels) -> Iterator[DeployedModel]:
    for post in lineup.slots.values():
        yield post.live
        if post.trial is not None:
            yield post.trial.placed
