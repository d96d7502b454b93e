"""Prometheus metrics of the archive."""

import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from inspector.archive.database import Database
from inspector.verdicts.follow import StoreError


class ArchiveMetrics:
    """Implements `Watcher`. One instance per registry."""

    def __init__(self, registry: CollectorRegistry, database: Database) -> None:
        labels = ("records",)
        self._stored = Counter("inspector_archive_stored", "Records stored in the archive", labels, registry=registry)
        self._failures = Counter(
            "inspector_archive_failures", "Attempts to store that failed; they are repeated", labels, registry=registry
        )
        self._lag = Gauge(
            "inspector_archive_lag_seconds", "Age of the newest record when it was stored", labels, registry=registry
        )
        self._idle = Gauge(
            "inspector_archive_seconds_since_stored", "Time since a record was last stored", labels, registry=registry
        )
        self._failing = Gauge(
            "inspector_archive_failing", "1 while nothing can be stored, such as with a full disk", registry=registry
        )
        Gauge("inspector_archive_database_bytes", "Size of the archive's database", registry=registry).set_function(
            lambda: float(database_bytes(database))
        )
        Gauge(
            "inspector_archive_wal_bytes", "Size of the write-ahead file of an SQLite archive", registry=registry
        ).set_function(lambda: float(wal_bytes(database)))

    def stored(self, follower: str, num_stored: int, newest_append_ns: int | None) -> None:
        self._failing.set(0)
        if newest_append_ns is None:
            return
        self._stored.labels(follower).inc(num_stored)
        self._lag.labels(follower).set(max(0.0, (time.time_ns() - newest_append_ns) / 1e9))
        self._idle.labels(follower).set_function(_seconds_since(time.monotonic()))

    def failed(self, follower: str) -> None:
        self._failing.set(1)
        self._failures.labels(follower).inc()


def _seconds_since(start_s: float) -> Callable[[], float]:
    return lambda: time.monotonic() - start_s


def wal_bytes(database: Database) -> int:
    """0 for PostgreSQL."""
    path = database.path
    return 0 if path is None else _size(path.with_name(f"{path.name}-wal"))


def database_bytes(database: Database) -> int:
    """-1 while PostgreSQL does not answer."""
    if database.path is not None:
        return _size(database.path) + wal_bytes(database)
    try:
        return database.server_bytes()
    except StoreError:
        return -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
