"""Finds a recent verdict by its inspection, within bounds of bytes and age.

Belongs to the gateway's event loop: every method is called there.
"""

from collections import OrderedDict

from inspector.verdicts.ring import Entry
from streams.observation import InspectionId


class VerdictIndex:
    """Verdicts by inspection, oldest first."""

    def __init__(self, max_bytes: int, max_age_s: float, since_ns: int) -> None:
        self._max_bytes, self._max_age_ns = max_bytes, int(max_age_s * 1e9)
        self._entries: OrderedDict[InspectionId, Entry] = OrderedDict()
        self.num_bytes = 0
        self.since_ns = since_ns
        """Every verdict appended since this moment is known here."""

    def restart(self, since_ns: int) -> None:
        """Drops all entries after a gap in the log."""
        self._entries.clear()
        self.num_bytes = 0
        self.since_ns = since_ns

    def add(self, entry: Entry, now_ns: int) -> None:
        """Adds a verdict; it replaces an earlier one of the same inspection."""
        if (known := self._entries.pop(entry.inspection, None)) is not None:
            self.num_bytes -= known.num_bytes
        self._entries[entry.inspection] = entry
        self.num_bytes += entry.num_bytes
        self.trim(now_ns)

    def trim(self, now_ns: int) -> None:
        """Drops entries over the bounds."""
        while self._entries and self._is_over(now_ns):
            _, entry = self._entries.popitem(last=False)
            self.num_bytes -= entry.num_bytes
            self.since_ns = max(self.since_ns, entry.append_ns + 1)

    def find(self, inspection: InspectionId) -> Entry | None:
        return self._entries.get(inspection)

    def _is_over(self, now_ns: int) -> bool:
        oldest = next(iter(self._entries.values()))
        return self.num_bytes > self._max_bytes or now_ns - oldest.append_ns > self._max_age_ns
