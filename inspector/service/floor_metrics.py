"""The floor's metrics at an address of their own, for floors whose page is off or asks for sign-in."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.service import Service
from inspector.service.metrics_server import MetricsServer

log = logging.getLogger("inspector.service.floor")


@contextmanager
def metrics_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Serves from entry to exit. Raises CertificateError, MetricsError."""
    table = service.config.floor.metrics
    if table is None:
        yield
        return
    tls = None if table.tls is None else table.tls.files
    with MetricsServer(table.listen, registry, tls, "[floor.metrics]"):
        log.info("The floor's metrics are at %s://%s/metrics.", "http" if tls is None else "https", table.listen)
        yield
