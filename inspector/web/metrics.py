"""Prometheus metrics of the live page."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class WebMetrics:
    """All metrics of a page server. One instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge("inspector_web_streams", "Event streams open", registry=registry)
        self.cut_offs = Counter("inspector_web_cut_offs", "Event streams cut off as too slow", registry=registry)
        self.refused = Counter("inspector_web_streams_refused", "Event streams over a limit", registry=registry)
        self.verdicts = Counter("inspector_web_verdicts", "Verdicts read for the page", registry=registry)
        self.media_bytes = Gauge("inspector_web_media_bytes", "Memory of pictures and sounds", registry=registry)
        self.media_gone = Counter(
            "inspector_web_media_gone", "Pieces whose recordings could not be read any more", registry=registry
        )
