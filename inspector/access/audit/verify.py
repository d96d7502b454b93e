"""Finds edited, removed, swapped and cut-off records of an audit log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.access.audit.chain import Chain
from inspector.access.audit.key import PublicKey
from inspector.access.audit.record import Head, Record, RecordError, parsed_head
from inspector.access.audit.snapshot import Line, snapshot

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification."""

    num_records: int
    num_heads: int
    """Heads that were compared with the records."""
    num_outside: int
    """Those of them that were kept elsewhere."""
    first: int
    """Number of the oldest record here; after 1 where older segments were moved away or removed."""
    is_removed_by_limits: bool
    """Whether the log itself says that the records before were removed, by its limits."""
    covered_by: int
    """The newest of these heads that agree with the log: it covers all records up to its number, those that were moved
    away, too. 0 without one."""
    last: Record | None
    problems: tuple[str, ...]
    """Empty for a log as it was written; at most `MAX_PROBLEMS`."""


def verify(
    folder: Path, key: PublicKey, outside: Iterable[Head] | None = None, every_s: float | None = None
) -> Verification:
    """Compares the log with its chain, its signatures, its own heads, and heads that were kept `outside`, of which one
    was sent every `every_s`. Heads that appear outside after the call are not for it. Raises OSError."""
    chain = Chain(key)
    with snapshot(folder) as files:
        problems = list(_first(MAX_PROBLEMS, chain.problems(files.records())))
        head_problems = list(_first(MAX_PROBLEMS, _head_problems(chain, files.heads())))
    num_here, num_outside, newest = chain.num_heads, 0, 0
    for head in outside or ():
        num_outside, newest = num_outside + 1, max(newest, head.number)
        head_problems.extend(chain.problems_of(head, "a head kept outside"))
        del head_problems[MAX_PROBLEMS:]
    head_problems.extend(chain.uncovered())
    head_problems.extend(chain.removal_problems())
    if outside is not None:
        head_problems.extend(chain.gaps(newest, every_s))
    return Verification(
        len(chain),
        num_here + num_outside,
        num_outside,
        chain.first,
        chain.is_removed_by_limits,
        chain.covered_by,
        chain.last,
        tuple([*problems, *head_problems][:MAX_PROBLEMS]),
    )


def _head_problems(chain: Chain, lines: Iterator[Line]) -> Iterator[str]:
    for name, number, line in lines:
        if line.endswith(b"\n"):  # else a crash; the record itself is signed
            yield from chain.problems_of(_head(line), f"{name} line {number}")


def _head(line: bytes) -> Head:
    try:
        return parsed_head(line)
    except RecordError:
        return Head(0, "", "")


def _first(count: int, problems: Iterator[str]) -> Iterator[str]:
    """Reads all faults and keeps the first ones."""
    for number, problem in enumerate(problems):
        if number < count:
            yield problem
