"""Starts a process under a limit of memory, the strictest that this machine allows, and measures its memory.

A control group of version 2 or 1 where one can be created: the kernel then kills a process that takes more. Elsewhere a
watcher looks at the resident bytes ten times a second and kills.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.faults import ROOT, wait_for

MOUNT = Path("/sys/fs/cgroup")
V1 = {"memory": "memory.limit_in_bytes", "swap": "memory.memsw.limit_in_bytes"}
V2 = {"memory": "memory.max", "swap": "memory.swap.max"}
JOIN = 'echo $$ > "$0" && exec "$@"'
"""A shell that moves itself into the group and becomes the command, so that nothing is charged elsewhere."""


@dataclass(frozen=True)
class MemoryLimit:
    """A limit of `max_bytes`; `group` is None where a watcher stands in for the kernel."""

    max_bytes: int
    group: Path | None = None

    @property
    def name(self) -> str:
        if self.group is None:
            return "a watcher of resident bytes"
        return f"control group, version {2 if (self.group / V2['memory']).exists() else 1}"

    def start(self, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        """The command as a separate process, in the group from its first byte."""
        arguments = list(command)
        if self.group is not None:
            arguments = ["sh", "-c", JOIN, str(self.group / "cgroup.procs"), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with log.open("ab") as out:
            process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=out, stderr=out)
        if self.group is None:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        return process

    def used_bytes(self, pid: int) -> int:
        """Present memory of the process: its group's anonymous memory, or its resident bytes; 0 once it has ended."""
        if self.group is not None:
            rows = dict(row.split() for row in (self.group / "memory.stat").read_text().splitlines())
            return int(rows.get("anon", rows.get("total_rss", 0)))
        with suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
        return 0

    @property
    def num_kills(self) -> int:
        """Processes that the kernel has killed in the group."""
        if self.group is None:
            return 0
        file = self.group / "memory.events"
        text = (file if file.exists() else self.group / "memory.oom_control").read_text()
        return int(dict(row.split() for row in text.splitlines()).get("oom_kill", 0))

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            if self.used_bytes(process.pid) > self.max_bytes:
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)


@contextmanager
def memory_limit(max_bytes: int) -> Iterator[MemoryLimit]:
    """The strictest limit that works here; its group is removed at the end, when its processes have ended."""
    group = next(filter(None, (_try_group(parent, max_bytes) for parent in _parents())), None)
    try:
        yield MemoryLimit(max_bytes, group)
    finally:
        if group is not None:
            wait_for(lambda: not (group / "cgroup.procs").read_text(), 20, "the group to be empty")
            group.rmdir()


def _parents() -> list[Path]:
    """Groups in which one may be created: this process's, for each hierarchy with a memory limit."""
    parents = []
    for row in Path("/proc/self/cgroup").read_text().splitlines() if sys.platform == "linux" else ():
        _, controllers, path = row.split(":", 2)
        if "memory" in controllers.split(","):
            parents.append(MOUNT / "memory" / path.lstrip("/"))
        elif not controllers:
            parents.append(MOUNT / path.lstrip("/"))
    return parents


def _try_group(parent: Path, max_bytes: int) -> Path | None:
    group = parent / f"inspector-proof-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    for files in (V1, V2):
        with suppress(OSError):
            if (group / files["memory"]).exists():
                (group / files["memory"]).write_text(str(max_bytes))
                if (group / files["swap"]).exists():
                    (group / files["swap"]).write_text(str(max_bytes if files is V1 else 0))
                return group
    group.rmdir()
    return None
