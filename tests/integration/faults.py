"""Kills a worker at named points and starts workers as separate processes.

The points are `after poll`, `before begin`, `after produce`, `after send_offsets` and `before commit`. A worker
process is told by its environment: FAULT_POINT, FAULT_AFTER (records read before the point counts) and FAULT_SIGNAL
(KILL, or STOP for a worker that is to wake again).
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from streams.log import Batch, Source
from streams.records import TopicPartition

POINTS = ("after poll", "before begin", "after produce", "after send_offsets", "before commit")
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Fault:
    """Ends (or stops) this very process when a point is reached, once; never when `point` is empty."""

    point: str = ""
    after: int = 0
    signal: Signals = SIGKILL
    seen: int = 0

    @classmethod
    def from_environment(cls) -> "Fault":
        point = os.environ.get("FAULT_POINT", "")
        if point and point not in POINTS:
            raise ValueError(f"FAULT_POINT is '{point}', must be one of {', '.join(POINTS)}")
        kind = Signals[f"SIG{os.environ.get('FAULT_SIGNAL', 'KILL')}"]
        return cls(point, int(os.environ.get("FAULT_AFTER", "0")), kind)

    def reached(self, point: str) -> None:
        if point == self.point and self.seen >= self.after:
            self.point = ""
            os.kill(os.getpid(), self.signal)


class FaultySource:
    """A source whose process may end right after a poll that gave records."""

    def __init__(self, source: Source, fault: Fault) -> None:
        self._source = source
        self._fault = fault

    def poll(self, timeout_s: float) -> Batch:
        batch = self._source.poll(timeout_s)
        self._fault.seen += len(batch.records)
        if batch.records:
            self._fault.reached("after poll")
        return batch

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        self._source.pause(partitions)

    def close(self) -> None:
        self._source.close()


class WorkerProcess:
    """A Python module run as a process; `with` ends it whatever happened."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path, words: Sequence[str] = ()) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, timeout_s: float) -> int:
        """Exit code; -9 after a SIGKILL."""
        return self._process.wait(timeout_s)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait_stopped(self, timeout_s: float) -> None:
        """Until the process has stopped itself."""
        wait_for(lambda: _state(self.pid) == "T", timeout_s, "the worker to stop")

    @property
    def is_stopped(self) -> bool:
        """Whether it has stopped itself and can be woken."""
        return not self.has_ended and _state(self.pid) == "T"

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Waits until a condition of another process holds; the seconds it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout_s:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)
    return time.monotonic() - begin
