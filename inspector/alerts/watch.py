"""Runs the tasks of the clock: ends silences, removes old alerts, and watches conditions that no verdict shows."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol

from prometheus_client import CollectorRegistry

from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.emergency import Emergencies, Emergency
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.place import Place
from inspector.verdicts.follow import StoreError

log = logging.getLogger("inspector.alerts.watch")

TICK_S = 1.0
TIDY_EVERY_S = 3600.0
FAILING_AFTER_S = 10.0
LEVELS = ("act_now", "look_later")


class Probe(Protocol):
    """Looks for faults, by other means than verdicts."""

    @property
    def condition(self) -> str:
        """Name of the condition that it watches."""

    def find(self) -> Sequence[Finding] | None:
        """The faults of this moment, each place once; None while it cannot tell."""


class Watch:
    """One thread calls `run`, which works until `stop` is set."""

    def __init__(
        self,
        desk: AlertDesk,
        probes: Sequence[Probe],
        emergencies: Emergencies,
        metrics: AlertMetrics,
        stop: Event,
    ) -> None:
        self._desk, self._probes = desk, probes
        self._emergencies, self._metrics, self._stop = emergencies, metrics, stop
        self._since: dict[Place, Emergency] = {}
        """The faults, whether they are stored yet or not."""
        self._tidied_s: float | None = None

    def run(self) -> None:
        while not self._stop.wait(TICK_S):
            self.tick(time.time_ns())

    def tick(self, now_ns: int) -> None:
        """One round; a database that is unavailable is tried again in the next one."""
        by_condition = {probe.condition: findings for probe in self._probes if (findings := probe.find()) is not None}
        present = {finding.place: finding for findings in by_condition.values() for finding in findings}
        for place, finding in present.items():
            self._since.setdefault(place, Emergency(finding, now_ns))
        try:
            self._desk.end_silences(now_ns)
            self._store(frozenset(present), frozenset(by_condition), now_ns)
            self._count()
            self._tidy(now_ns)
        except StoreError as error:
            log.debug("The alerts' database is unavailable: %s", error)
            for emergency in self._since.values():
                self._emergencies.add(emergency)

    def _store(self, present: frozenset[Place], conditions: frozenset[str], now_ns: int) -> None:
        """`conditions`: those whose probes can tell. Raises StoreError."""
        findings = [(emergency.finding, emergency.cause, emergency.since_ns) for emergency in self._since.values()]
        self._desk.settle(findings, present, conditions, now_ns)
        for place in list(self._since):
            self._emergencies.remove(place)
            if place not in present and place.condition in conditions:
                del self._since[place]

    def _count(self) -> None:
        counts = self._desk.count_open()
        for level in LEVELS:
            self._metrics.open.labels(level).set(counts.get(level, 0))

    def _tidy(self, now_ns: int) -> None:
        now_s = time.monotonic()
        if self._tidied_s is None or now_s - self._tidied_s >= TIDY_EVERY_S:
            self._tidied_s = now_s
            self._desk.remove_old(now_ns)


class FailingArchive:
    """A probe: the archive has stored nothing for a while."""

    condition = "archive"

    def __init__(self, registry: CollectorRegistry, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._registry, self._clock_s = registry, clock_s
        self._since_s: float | None = None

    def find(self) -> Sequence[Finding]:
        value = self._registry.get_sample_value
        is_down = value("inspector_floor_part_up", {"part": "archive"}) == 0
        if not is_down and not value("inspector_archive_failing"):
            self._since_s = None
            return ()
        now_s = self._clock_s()
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < FAILING_AFTER_S:
            return ()
        detail = "its disk is full, or its database is away: the log of the floor says which; the line goes on"
        return (Finding(Place(self.condition, "", ""), "act_now", "the archive stores nothing", detail),)


class RecordingsAtLimit:
    """A probe: recordings are removed before their days are over, because they have reached their limit of bytes."""

    condition = "recordings-limit"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def find(self) -> Sequence[Finding] | None:
        values = {name: self._at_limit(name) for name in ("pass", "fail", "review")}
        if None in values.values():  # nobody has looked since the start
            return None
        return [self._finding(name) for name, value in values.items() if value]

    def _at_limit(self, decision: str) -> float | None:
        return self._registry.get_sample_value("inspector_recordings_at_limit", {"decision": decision})

    def _finding(self, decision: str) -> Finding:
        detail = (
            "the oldest are removed before their days are over, and the log of the floor names the recipe: keep fewer "
            f"pieces, or raise {decision}_bytes in its table [keep]"
        )
        place = Place(self.condition, "", "", decision.upper())
        return Finding(place, "look_later", "kept recordings have reached their limit of bytes", detail)
