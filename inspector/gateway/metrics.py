"""Prometheus metrics of a gateway."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class GatewayMetrics:
    """All metrics of a gateway. One instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.watchers = Gauge("inspector_gateway_watchers", "Watchers connected", registry=registry)
        self.readers = Gauge("inspector_gateway_readers", "Watchers that read the log on their own", registry=registry)
        self.cut_offs = Counter("inspector_gateway_cut_offs", "Watchers cut off", ("reason",), registry=registry)
        self.messages = Counter("inspector_gateway_messages", "Messages to watchers", ("kind",), registry=registry)
        self.verdicts = Counter("inspector_gateway_verdicts", "Verdicts read from the log", registry=registry)
        self.ring_bytes = Gauge("inspector_gateway_ring_bytes", "Memory of the latest verdicts", registry=registry)
        self.closed = Gauge(
            "inspector_gateway_connections_closed", "Connections closed over their host's limit", registry=registry
        )
        self.refused = Counter("inspector_gateway_refused", "Calls refused", ("call", "code"), registry=registry)
        self.inspect_seconds = Histogram(
            "inspector_gateway_inspect_seconds", "Duration of Inspect", buckets=BUCKETS_S, registry=registry
        )
