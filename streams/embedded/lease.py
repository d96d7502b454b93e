"""Decides which worker owns the lines of a log: one row per line with owner, epoch and a beat that the owner counts up.

A worker that takes a line raises the epoch, and a commit under an older epoch is refused: a suspended owner that wakes
up cannot write. Each worker measures the silence of the owner with its own monotonic clock: changing the time of day
has no effect on leases.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streams.embedded.store import Store

StartAt = Literal["earliest", "live"]

_GIVEN_BACK = 0
_BEATS_PER_LEASE = 4


@dataclass(frozen=True, slots=True)
class Epoch:
    """One turn of one owner over its lines."""

    lines: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Group:
    """Which worker reads which lines, and where it starts without a committed position."""

    lines: tuple[str, ...]
    prefix: str
    owner: str
    start_at: StartAt = "earliest"


def holds(store: Store, epoch: Epoch) -> bool:
    """Whether this turn still holds (within `Store.write` or `Store.read`)."""
    rows = store.execute("SELECT line FROM leases WHERE epoch = ?", epoch.number)
    return {row[0] for row in rows} == set(epoch.lines)


def boot_id() -> str:
    """Changes at each start of the machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(slots=True)
class _Silence:
    """How long a row has not changed, as observed by this process."""

    row: tuple[object, ...]
    checked_s: float
    silent_s: float = 0.0


class Lease:
    """The lease of one worker's lines. Call its methods within `Store.read` or `Store.write`."""

    def __init__(
        self,
        store: Store,
        group: Group,
        lease_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        boot: str | None = None,
    ) -> None:
        self._store, self._group, self._lease_s, self._monotonic = store, group, lease_s, monotonic
        self._boot = boot_id() if boot is None else boot
        self._silences: dict[str, _Silence] = {}
        self._is_first = True
        self._number = 0
        self._beat_s = 0.0

    def blocker(self) -> str | None:
        """Another live owner. A worker that starts takes over from its own name at once: that was its predecessor.
        An owner from before a restart of the machine is not alive."""
        for row in self._store.execute("SELECT line, owner, epoch, beat, boot FROM leases").fetchall():
            line, owner, number, beat, boot = row
            if line not in self._group.lines or beat == _GIVEN_BACK or number == self._number:
                continue
            is_predecessor = self._is_first and owner == self._group.owner
            was_restarted = boot not in ("", self._boot)
            if not (is_predecessor or was_restarted or self._silent_s(line, row) >= self._lease_s):
                return str(owner)
        return None

    def _silent_s(self, line: str, row: tuple[object, ...]) -> float:
        """Counts at most one beat interval per call: after a pause of this process or of the machine, the owner gets
        time for its next beat."""
        now_s = self._monotonic()
        silence = self._silences.get(line)
        if silence is None or silence.row != row:
            silence = self._silences[line] = _Silence(row, now_s)
        silence.silent_s += min(now_s - silence.checked_s, self._lease_s / _BEATS_PER_LEASE)
        silence.checked_s = now_s
        return silence.silent_s

    def take(self) -> Epoch:
        """Begins a new turn (within `Store.write`, after `blocker` returned None)."""
        (number,) = self._store.execute("SELECT coalesce(max(epoch), 0) + 1 FROM leases").fetchone()
        for line in self._group.lines:
            self._store.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, 1, ?)", line, self._group.owner, number, self._boot
            )
        self._beat_s = self._monotonic()
        self._number = number
        return Epoch(self._group.lines, number)

    def confirm(self) -> None:
        """The turn is committed: from now on, an owner of the same name is another process, not a predecessor."""
        self._is_first = False
        self._silences.clear()

    @property
    def is_beat_due(self) -> bool:
        return self._monotonic() - self._beat_s >= self._lease_s / _BEATS_PER_LEASE

    @property
    def is_beat_late(self) -> bool:
        """Whether the beat is later than waiting for another writer explains."""
        return self._monotonic() - self._beat_s >= self._lease_s / 2

    def beat(self, epoch: Epoch) -> None:
        self._store.execute("UPDATE leases SET beat = beat + 1 WHERE epoch = ?", epoch.number)
        self._beat_s = self._monotonic()

    def give_back(self, epoch: Epoch) -> None:
        self._store.execute("UPDATE leases SET beat = ? WHERE epoch = ?", _GIVEN_BACK, epoch.number)
