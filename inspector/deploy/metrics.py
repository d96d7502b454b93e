"""Counts what deployments come to in one process, for Prometheus. Decides nothing."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from inspector.deploy.lineup import Place

PLACE = ("line", "recipe")


class DeployMetrics:
    """One registry, one instance. A place is there from the start, so that its first refusal is an increase."""

    def __init__(self, registry: CollectorRegistry, places: Iterable[Place]) -> None:
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
