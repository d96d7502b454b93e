"""Counts the processor cores that this process may use: its affinity and the quotas of its control groups."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """At least 1. A quota of 1.5 cores counts as one: a second busy thread would be stopped for tens of milliseconds
    whenever the quota is used up."""
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min([affinity, *(int(quota) for quota in _quotas(groups, membership))]))


def _quotas(groups: Path, membership: Path) -> Iterator[float]:
    """Of this process's groups and all above them, in cores; those without a limit are left out."""
    for line in _read(membership).splitlines():
        _, _, path = line.split(":", 2)
        inner = Path(path.lstrip("/"))
        for group in (inner, *inner.parents):
            yield from _quota(_read(groups / group / "cpu.max"))
            old = groups / "cpu" / group  # version 1
            yield from _quota(f"{_read(old / 'cpu.cfs_quota_us')} {_read(old / 'cpu.cfs_period_us')}")


def _quota(text: str) -> Iterator[float]:
    """From microseconds per period, such as `150000 100000`; `max` and -1 are no limit."""
    numbers = text.split()
    if len(numbers) == 2 and all(number.isdecimal() for number in numbers) and int(numbers[1]):
        yield int(numbers[0]) / int(numbers[1])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
