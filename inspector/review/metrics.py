"""Metrics of the review desk."""

from prometheus_client import CollectorRegistry, Gauge


class ReviewMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = Gauge(
            "inspector_review_waiting",
            "Pieces that wait for a person at the review desk, to one digit and 10 for fewer: the exact number would "
            "tell a reviewer which pieces are known ones.",
            registry=registry,
        )
        self.unpublished = Gauge(
            "inspector_review_answers_unpublished",
            "Answers of the review desk that are stored and not yet published.",
            registry=registry,
        )
