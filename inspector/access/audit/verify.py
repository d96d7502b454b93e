"""Finds edited, removed, swapped and cut-off records of an audit log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, lines_of
from inspector.access.audit.key import PublicKey
from inspector.access.audit.record import FIRST_PREVIOUS, Head, Record, RecordError, digest_of, parsed, parsed_head

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification."""

    num_records: int
    num_heads: int
    """Heads that were compared with the records."""
    last: Record | None
    problems: tuple[str, ...]
    """Empty for a log as it was written; at most `MAX_PROBLEMS`."""


def verify(folder: Path, key: PublicKey, outside: Iterable[Head] = ()) -> Verification:
    """Compares the log with its chain, its signatures, its own heads, and heads that were kept `outside`. Raises
    OSError."""
    chain = _Chain(key)
    problems = list(_first(MAX_PROBLEMS, chain.problems(folder / LOG_FILE)))
    heads = 0
    for head, where in _heads(folder / HEADS_FILE, outside):
        heads += 1
        if len(problems) < MAX_PROBLEMS and (problem := chain.problem_of(head, where)):
            problems.append(problem)
    return Verification(len(chain.hashes), heads, chain.last, tuple(problems))


class _Chain:
    """The hashes of all records, in order of the file."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self.hashes: list[str] = []
        self.last: Record | None = None

    def problems(self, file: Path) -> Iterator[str]:
        previous = FIRST_PREVIOUS
        for number, line in enumerate(lines_of(file), start=1):
            try:
                record, head = parsed(line)
            except RecordError as exc:
                yield f"{file.name} line {number} {exc}"
                self.hashes.append("")
                previous = ""
                continue
            yield from (
                f"{file.name} line {number} {problem}" for problem in self._faults(record, head, number, previous)
            )
            self.hashes.append(head.hash)
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

    def problem_of(self, head: Head, where: str) -> str | None:
        if not self._key.has_signed(head):
            return f"{where}: the head of record {head.number} is not signed with this key"
        if not 1 <= head.number <= len(self.hashes):
            return f"{where}: record {head.number} existed and is gone; the log ends at {len(self.hashes)}"
        if self.hashes[head.number - 1] != head.hash:
            return f"{where}: record {head.number} was another when it was signed"
        return None


def _heads(file: Path, outside: Iterable[Head]) -> Iterator[tuple[Head, str]]:
    for number, line in enumerate(lines_of(file) if file.exists() else (), start=1):
        if not line.endswith(b"\n"):
            continue  # a crash; the record itself is signed
        try:
            yield parsed_head(line), f"{file.name} line {number}"
        except RecordError:
            yield Head(0, "", ""), f"{file.name} line {number}"
    yield from ((head, "a head kept outside") for head in outside)


def _first(count: int, problems: Iterator[str]) -> Iterator[str]:
    """Reads all faults and keeps the first ones."""
    for number, problem in enumerate(problems):
        if number < count:
            yield problem
