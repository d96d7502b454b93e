"""Metrics of the review desk."""

from prometheus_client import CollectorRegistry, Gauge


class ReviewMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = Gauge(
            "inspector_review_waiting", "Pieces that wait for a person at the review desk.", registry=registry
        )
        self.unpublished = Gauge(
            "inspector_review_answers_unpublished",
            "Answers of the review desk that are stored and not yet on the feedback topic.",
            registry=registry,
        )
