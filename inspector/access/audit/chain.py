"""The hashes of all records of an audit log, and what contradicts them."""

from array import array
from collections.abc import Iterator
from hashlib import sha256

from inspector.access.audit.key import PublicKey
from inspector.access.audit.record import FIRST_PREVIOUS, Head, Record, RecordError, digest_of, parsed
from inspector.access.audit.retention import removed_up_to
from inspector.access.audit.segments import SEGMENT
from inspector.access.audit.snapshot import Line

SEND_S = 30.0
"""Sending a head may take this long."""
_DIGEST_BYTES = sha256().digest_size


class Chain:
    """Takes 40 bytes for each record. The first one is number 1, or begins a segment whose elders were moved away."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._hashes = bytearray()
        self._times_ns = array("q")
        self._before = FIRST_PREVIOUS
        """Hash of the record before the first."""
        self.first = 1
        """Number of the oldest record."""
        self.last: Record | None = None
        self.removals: list[tuple[str, Head]] = []
        """Where a record of removed files is, and the last removed record, as it says."""
        self.num_heads = self.covered_by = 0
        """Heads that were compared, and the number of the newest one that agrees."""

    def __len__(self) -> int:
        return len(self._times_ns)

    def problems(self, lines: Iterator[Line]) -> Iterator[str]:
        """Reads all records."""
        previous = FIRST_PREVIOUS
        for name, number, line in lines:
            try:
                record, head = parsed(line)
            except RecordError as exc:
                yield f"{name} line {number} {exc}"
                self._add("", 0)
                previous = ""
                continue
            if not self and record.action == SEGMENT and self._key.has_signed(head):
                self.first, self._before, previous = record.number, record.previous, record.previous
            yield from (f"{name} line {number} {problem}" for problem in self._faults(record, head, previous))
            self._add(head.hash, record.at_ns)
            if (removed := removed_up_to(record)) is not None:
                self.removals.append((f"{name} line {number}", removed))
            self.last, previous = record, head.hash
        if not self:
            yield "the log has no record: even a new log has one"

    def _faults(self, record: Record, head: Head, previous: str) -> Iterator[str]:
        if record.number != self.first + len(self):
            yield f"holds record {record.number}: records were removed, added or swapped"
        if record.previous != previous:
            yield "does not follow from the line before it"
        if digest_of(record) != head.hash:
            yield "was edited: its hash is another"
        if not self._key.has_signed(head):
            yield "is not signed with this key"

    def _add(self, digest: str, at_ns: int) -> None:
        self._hashes += _bytes_of(digest)
        self._times_ns.append(at_ns if isinstance(at_ns, int) and 0 <= at_ns < 2**63 else 0)

    def problems_of(self, head: Head, where: str) -> Iterator[str]:
        self.num_heads += 1
        end = self.first + len(self)
        if not self._key.has_signed(head):
            yield f"{where}: the head of record {head.number} is not signed with this key"
        elif not 1 <= head.number < end:
            yield f"{where}: record {head.number} existed and is gone; the log ends at {end - 1}"
        elif head.number < self.first - 1:
            return  # its record was moved away
        elif self._hash_of(head.number) != _bytes_of(head.hash):
            yield f"{where}: record {head.number} was another when it was signed"
        else:
            self.covered_by = max(self.covered_by, head.number)

    def _hash_of(self, number: int) -> bytes:
        place = (number - self.first) * _DIGEST_BYTES
        return bytes(self._hashes[place : place + _DIGEST_BYTES]) if place >= 0 else _bytes_of(self._before)

    def uncovered(self) -> Iterator[str]:
        """Where older segments were moved away, a head must speak for them."""
        if self.first > 1 and not self.covered_by:
            yield f"no signed head covers the {self.first - 1} records before record {self.first}, moved away"

    @property
    def is_removed_by_limits(self) -> bool:
        """Whether a record says that the records before the oldest one here were removed."""
        return any(removed.number == self.first - 1 for _, removed in self.removals)

    def removal_problems(self) -> Iterator[str]:
        """A record of removed files names the last of their records, as far as it can be compared."""
        for where, removed in self.removals:
            is_known = self.first - 1 <= removed.number < self.first + len(self)
            if is_known and self._hash_of(removed.number) != _bytes_of(removed.hash):
                yield f"{where} says that record {removed.number} was removed, which was another"

    def gaps(self, newest: int, every_s: float | None) -> Iterator[str]:
        """What speaks against heads kept outside that end with record `newest`."""
        after = newest + 1 - self.first
        if newest == 0:
            yield "no head is kept outside: none was sent, or they were removed"
        elif every_s is not None and after < len(self):
            late_s = (self._times_ns[-1] - self._times_ns[max(0, after)]) / 1e9
            if late_s > every_s + SEND_S:
                yield (
                    f"the heads kept outside end at record {newest}, and the log went on for {late_s:.0f} s: newer "
                    "heads were removed, or not sent while the service was stopped (run `inspector audit send-head`)"
                )


def _bytes_of(digest: str) -> bytes:
    """Zeros for a digest in another form, which no head has."""
    try:
        value = bytes.fromhex(digest)
    except (TypeError, ValueError):
        value = b""
    return value if len(value) == _DIGEST_BYTES and value.hex() == digest else bytes(_DIGEST_BYTES)
