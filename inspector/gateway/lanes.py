"""Defines separate limits for watchers, Inspect, other calls and probes, so that exhausting one does not affect the
others."""

from collections.abc import Mapping

from inspector.gateway.entrance import Lane
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.places import Places
from inspector.gateway.settings import GatewaySettings

MAX_SMALL_BYTES = 128 * 2**10
"""Largest request except Inspect: a token of 64 KiB with filters, or a note with 64 defects."""
MAX_UNREAD_PROBES = 2
PROBE_LIFE_S = 600.0
_SERVICE = "/inspection.v1.InspectionService"


def lanes_of(settings: GatewaySettings, metrics: GatewayMetrics) -> Mapping[str, Lane]:
    """By full method name, service name, or "" for health and reflection."""
    reading = Places("requests that are being read", settings.max_unread, 0.0)
    pieces = Places("pieces that are being read", settings.max_unread, settings.request_wait_s, 0.0)
    answering = Places("calls that are being answered", settings.max_answers)
    watching = Places("watchers", settings.max_watchers, changed=metrics.watchers.set)
    probing = Places("probes that are being read", MAX_UNREAD_PROBES, 0.0)
    probes = Places("probes", settings.max_probes, 0.0)
    watch_s = settings.recheck_s if settings.access.has_roles else None
    return {
        f"{_SERVICE}/WatchVerdicts": Lane(reading, watching, MAX_SMALL_BYTES, watch_s, encoded=True),
        f"{_SERVICE}/Inspect": Lane(
            pieces,
            answering,
            settings.max_message_bytes,
            wait_s=settings.request_wait_s,
            parsed=False,
            encoded=True,
        ),
        _SERVICE: Lane(reading, answering, MAX_SMALL_BYTES),
        "": Lane(probing, probes, MAX_SMALL_BYTES, PROBE_LIFE_S),
    }
