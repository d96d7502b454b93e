"""Metrics of alerts and of their delivery."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class AlertMetrics:
    """Registered once in a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(
            "inspector_alerts_open", "Alerts that are firing or acknowledged.", ["level"], registry=registry
        )
        self.charts = Gauge("inspector_alert_charts", "Charts that verdicts are watched with.", registry=registry)
        self.lag = Gauge(
            "inspector_alert_lag_seconds",
            "Age of the newest verdict that the alerts have read, when they had read it.",
            registry=registry,
        )
        self.undelivered = Gauge(
            "inspector_alert_undelivered", "Events that wait for their delivery.", ["target"], registry=registry
        )
        self.deliveries = Counter(
            "inspector_alert_deliveries_total",
            "Attempts to deliver events. refused: the target said that it will never take this event.",
            ["target", "outcome"],
            registry=registry,
        )
        self.up = Gauge(
            "inspector_alert_target_up",
            "1 where the last attempt to reach the target succeeded, else 0.",
            ["target"],
            registry=registry,
        )
