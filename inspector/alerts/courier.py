"""Carries events from the outbox to one target, in a separate thread: a target that is away delays no other one."""

import logging
import time
from contextlib import suppress
from threading import Event

from inspector.alerts import outbox
from inspector.alerts.emergency import Emergencies
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError, RefusedError, Sender, TooEarlyError
from inspector.archive.database import Database
from inspector.verdicts.follow import StoreError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.alerts.courier")

POLL_S = 1.0
"""How often the outbox is read: other processes put events into it, too."""
FIRST_DELAY_S, MAX_DELAY_S = 1.0, 60.0
LOG_EVERY_S = 600.0
AT_ONCE = 50


class Courier:
    """One thread calls `run`, which works until `stop` is set."""

    def __init__(
        self,
        target: str,
        sender: Sender,
        database: Database,
        emergencies: Emergencies,
        metrics: AlertMetrics,
        stop: Event,
    ) -> None:
        self._target, self._sender, self._database, self._emergencies = target, sender, database, emergencies
        self._metrics, self._stop = metrics, stop
        self._told = set[str]()
        """Keys of the emergencies that were delivered."""
        lines = OutageLines(
            log,
            lambda error: f"Alerts cannot be delivered to {target} ({error}). They are kept, and sent when it answers.",
            f"Alerts are delivered to {target} again.",
        )
        policy = OutagePolicy(FIRST_DELAY_S, MAX_DELAY_S, LOG_EVERY_S, errors=(DeliveryError, StoreError))
        self._outage = Outage(lines, policy)

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._round())
        finally:
            self._sender.close()

    def _round(self) -> float:
        """Delivers due events; returns the seconds to wait."""
        try:
            self._deliver_emergencies()
            while (parcels := self._due()) and not self._stop.is_set():
                self._deliver(parcels)
            self._sender.refresh()
        except self._outage.errors as error:
            self._count("failed")
            self._metrics.up.labels(self._target).set(0)
            return self._outage.failed(error)
        self._outage.worked()
        self._metrics.up.labels(self._target).set(1)
        return POLL_S

    def _due(self) -> list[Parcel]:
        with self._database.read() as connection:
            self._metrics.undelivered.labels(self._target).set(outbox.count(connection).get(self._target, 0))
            return outbox.due(connection, self._target, time.time_ns(), AT_ONCE)

    def _deliver_emergencies(self) -> None:
        """Each once; stored later, it is delivered again under the same key."""
        parcels = self._emergencies.parcels()
        self._told &= {parcel.alert_key for parcel in parcels}
        for parcel in parcels:
            if parcel.alert_key not in self._told:
                with suppress(RefusedError):
                    self._sender.send(parcel)
                self._told.add(parcel.alert_key)

    def _deliver(self, parcels: list[Parcel]) -> None:
        held = set[str]()
        for parcel in parcels:
            if self._stop.is_set():
                return
            if parcel.alert_key not in held and not self._hand_over(parcel):
                held.add(parcel.alert_key)

    def _hand_over(self, parcel: Parcel) -> bool:
        """False where it is held back. An event that was taken is removed afterwards: it may come twice, never not."""
        try:
            self._sender.send(parcel)
        except TooEarlyError as early:
            with self._database.write() as connection:
                until_ns = time.time_ns() + round(early.wait_s * 1e9)
                outbox.postpone(connection, self._target, parcel.alert_key, until_ns)
            return False
        except RefusedError as refusal:
            self._count("refused")
            log.warning("%s refuses event %d of alert %s (%s): it is not sent again; the page has it.",
                      self._target, parcel.event, parcel.alert_key, refusal)  # fmt: skip
        else:
            self._count("delivered")
        with self._database.write() as connection:
            outbox.remove(connection, parcel)
        self._outage.progressed()
        return True

    def _count(self, outcome: str) -> None:
        self._metrics.deliveries.labels(self._target, outcome).inc()
