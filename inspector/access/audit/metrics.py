"""Prometheus metrics of the audit log."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from inspector.access.audit.retention import audit_bytes


def watch_size(registry: CollectorRegistry, folder: Path) -> None:
    """Once per registry."""
    Gauge("inspector_audit_bytes", "Size of the audit log and its heads", registry=registry).set_function(
        lambda: _bytes(folder)
    )


def _bytes(folder: Path) -> float:
    """Not a number where the folder cannot be read."""
    try:
        return float(audit_bytes(folder))
    except OSError:
        return float("nan")
