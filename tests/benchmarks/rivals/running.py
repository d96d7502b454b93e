"""Starts, measures and kills the processes of one contestant, with all that these start."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.setting import ROOT

START_BUDGET_S, STOP_BUDGET_S = 90.0, 20.0


@dataclass
class Running:
    """The processes of `commands`, one each; their output goes to one file."""

    commands: Sequence[Sequence[str]]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **self.env}
        with self.log.open("ab") as output:
            self.processes = [
                subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
                for command in self.commands
            ]

    def wait_ready(self, text: str, count: int) -> None:
        """Until `text` stands `count` times in the output. Raises RuntimeError."""
        deadline_s = time.monotonic() + START_BUDGET_S
        while (output := self.log.read_text(errors="replace")).count(text) < count:
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > deadline_s:
                raise RuntimeError(f"no {text!r} within {START_BUDGET_S:.0f} s; the log ends with:\n{output[-3000:]}")
            time.sleep(0.1)

    def tree(self) -> list[psutil.Process]:
        """The processes that run, with all that these started."""
        found: dict[int, psutil.Process] = {}
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found |= {each.pid: each for each in (parent, *parent.children(recursive=True))}
        return list(found.values())

    def cpu_s(self) -> float:
        return sum(cpu_s(process) for process in self.tree())

    def memory_mib(self) -> float:
        """Proportional set size: pages that processes share count once."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 2**20

    def kill(self) -> None:
        """SIGKILL to all of them, parents first, so that none is started again."""
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self.processes:
            started.wait(STOP_BUDGET_S)

    def stop(self) -> None:
        """Orderly, then by force."""
        left = self.tree()
        for started in self.processes:
            started.terminate()
        _, alive = psutil.wait_procs(left, STOP_BUDGET_S)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self.processes:
            started.wait(STOP_BUDGET_S)


def cpu_s(process: psutil.Process) -> float:
    """Of one process; 0 once it has ended."""
    try:
        spent = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(spent.user + spent.system)


@contextmanager
def running(commands: Sequence[Sequence[str]], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    contestant = Running(commands, log, env or {})
    contestant.start()
    try:
        yield contestant
    finally:
        contestant.stop()
