"""Holds the data that the feeds of a gateway deliver, and derives its health."""

import threading
import time
from collections.abc import Mapping, Sequence

from inspector.gateway.doubts import Doubts
from inspector.gateway.health import Health
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.settings import GatewaySettings
from inspector.verdicts.feed import Position
from inspector.verdicts.index import VerdictIndex
from inspector.verdicts.ring import Entry, Ring

VERDICTS, DOUBTS = "verdicts", "doubts"
CURRENT_NS = 1_000_000_000
"""The ring is at the end of the log if its newest verdict is not older."""


class GatewayState:
    """Filled by the feeds in the event loop: the ring for watchers, the index for look-ups, and the health."""

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: GatewayMetrics,
        health: Health,
        serving: threading.Event,
    ) -> None:
        self._metrics, self._health, self._serving = metrics, health, serving
        self._stands_still = False
        self._behind = {VERDICTS, DOUBTS}
        """Feeds that have not caught up since the start."""
        self._unread: set[str] = set()
        """Feeds that the log does not deliver."""
        self.ring = Ring(settings.ring_bytes, settings.ring_age_s, settings.ring_count)
        self.is_current = False
        """Whether the end of the ring is, but for a moment, the end of the log: live watchers begin there."""
        since_ns = time.time_ns() - int(settings.read_back_s * 1e9)
        self.index = VerdictIndex(settings.index_bytes, settings.index_age_s, since_ns)
        self.doubts = Doubts(since_ns, lambda: self._caught_up(DOUBTS), lambda is_blind: self._blind(DOUBTS, is_blind))

    def identify(self, identities: Mapping[str, str]) -> None:
        self.ring.identities = identities

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        self.is_current = False
        self.ring.restart(position)
        if oldest_ns is not None:
            self.index.restart(oldest_ns)

    def take(self, entries: Sequence[Entry], position: Position) -> None:
        now_ns = time.time_ns()
        self.ring.push(entries, position, now_ns)
        for entry in entries:
            self.index.add(entry, now_ns)
        if VERDICTS not in self._unread and (not entries or now_ns - entries[-1].append_ns < CURRENT_NS):
            self.is_current = True
        self._metrics.verdicts.inc(len(entries))
        self._metrics.ring_bytes.set(self.ring.num_bytes)

    def caught_up(self) -> None:
        self.is_current = True
        self._caught_up(VERDICTS)

    def _caught_up(self, what: str) -> None:
        self._behind.discard(what)
        if not self._behind:
            self._serving.set()
        self._report()

    def stand_still(self, standing: bool) -> None:
        """Call when the worker of this process stalls or continues."""
        self._stands_still = standing
        self._report()

    def blind(self, is_blind: bool) -> None:
        """Call when the log cannot be read, or can be again."""
        self.is_current = self.is_current and not is_blind
        self._blind(VERDICTS, is_blind)

    def _blind(self, what: str, is_blind: bool) -> None:
        (self._unread.add if is_blind else self._unread.discard)(what)
        self._report()

    def end(self) -> None:
        self.ring.close()
        self._behind.add(VERDICTS)
        self._report()

    def _report(self) -> None:
        self._health.report(serving=not (self._behind or self._stands_still or self._unread))
