"""Finds edited, removed, swapped and cut-off records of an audit log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, lines_of
from inspector.access.audit.key import PublicKey
from inspector.access.audit.record import FIRST_PREVIOUS, Head, Record, RecordError, digest_of, parsed, parsed_head

MAX_PROBLEMS = 100
SEND_S = 30.0
"""Sending a head may take this long."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification."""

    num_records: int
    num_heads: int
    """Heads that were compared with the records."""
    num_outside: int
    """Those of them that were kept elsewhere."""
    last: Record | None
    problems: tuple[str, ...]
    """Empty for a log as it was written; at most `MAX_PROBLEMS`."""


def verify(
    folder: Path, key: PublicKey, outside: Iterable[Head] | None = None, every_s: float | None = None
) -> Verification:
    """Compares the log with its chain, its signatures, its own heads, and heads that were kept `outside`, of which one
    was sent every `every_s`. Raises OSError."""
    chain = _Chain(key)
    problems = list(_first(MAX_PROBLEMS, chain.problems(folder / LOG_FILE)))
    heads = outsiders = newest = 0
    for head, where in _own_heads(folder / HEADS_FILE):
        heads += 1
        problems.extend(chain.problems_of(head, where))
    for head in outside or ():
        outsiders += 1
        newest = max(newest, head.number)
        problems.extend(chain.problems_of(head, "a head kept outside"))
        del problems[MAX_PROBLEMS:]
    if outside is not None:
        problems.extend(chain.gaps(newest, every_s))
    return Verification(len(chain.hashes), heads + outsiders, outsiders, chain.last, tuple(problems[:MAX_PROBLEMS]))


class _Chain:
    """The hashes of all records, in order of the file."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self.hashes: list[str] = []
        self.times_ns: list[int] = []
        self.last: Record | None = None

    def problems(self, file: Path) -> Iterator[str]:
        previous = FIRST_PREVIOUS
        for number, line in enumerate(lines_of(file), start=1):
            try:
                record, head = parsed(line)
            except RecordError as exc:
                yield f"{file.name} line {number} {exc}"
                self.hashes.append("")
                self.times_ns.append(0)
                previous = ""
                continue
            yield from (
                f"{file.name} line {number} {problem}" for problem in self._faults(record, head, number, previous)
            )
            self.hashes.append(head.hash)
            self.times_ns.append(record.at_ns)
            self.last, previous = record, head.hash
        if not self.hashes:
            yield f"{file.name} has no record: even a new log has one"

    def _faults(self, record: Record, head: Head, number: int, previous: str) -> Iterator[str]:
        if record.number != number:
            yield f"holds record {record.number}: records were removed, added or swapped"
        if record.previous != previous:
            yield "does not follow from the line before it"
        if digest_of(record) != head.hash:
            yield "was edited: its hash is another"
        if not self._key.has_signed(head):
            yield "is not signed with this key"

    def problems_of(self, head: Head, where: str) -> Iterator[str]:
        if not self._key.has_signed(head):
            yield f"{where}: the head of record {head.number} is not signed with this key"
        elif not 1 <= head.number <= len(self.hashes):
            yield f"{where}: record {head.number} existed and is gone; the log ends at {len(self.hashes)}"
        elif self.hashes[head.number - 1] != head.hash:
            yield f"{where}: record {head.number} was another when it was signed"

    def gaps(self, newest: int, every_s: float | None) -> Iterator[str]:
        """What speaks against heads kept outside that end with record `newest`."""
        if newest == 0:
            yield "no head is kept outside: none was sent, or they were removed"
        elif every_s is not None and 0 < newest < len(self.times_ns):
            late_s = (self.times_ns[-1] - self.times_ns[newest]) / 1e9
            if late_s > every_s + SEND_S:
                yield (
                    f"the heads kept outside end at record {newest}, and the log went on for {late_s:.0f} s: newer "
                    "heads were removed, or not sent while the service was stopped (run `inspector audit send-head`)"
                )


def _own_heads(file: Path) -> Iterator[tuple[Head, str]]:
    for number, line in enumerate(lines_of(file) if file.exists() else (), start=1):
        if not line.endswith(b"\n"):
            continue  # a crash; the record itself is signed
        try:
            yield parsed_head(line), f"{file.name} line {number}"
        except RecordError:
            yield Head(0, "", ""), f"{file.name} line {number}"


def _first(count: int, problems: Iterator[str]) -> Iterator[str]:
    """Reads all faults and keeps the first ones."""
    for number, problem in enumerate(problems):
        if number < count:
            yield problem
