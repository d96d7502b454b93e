"""Sends the worst inputs among good pieces to a service under a memory limit and measures the good ones' verdicts.

    python -m tests.integration.memory_run --minutes 30
    python -m tests.integration.memory_run --minutes 30 --log embedded

`inspector serve` may take 1 GiB; ten good pieces come a second, and one of the worst inputs. Exit code 1 unless every
good piece has exactly one verdict, 99 in 100 of them within 2 s, memory stays flat and the service never ends.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.setting import inspector
from tests.integration.conftest import free_ports
from tests.integration.faults import wait_for
from tests.integration.memory_limit import MemoryLimit, memory_limit
from tests.integration.outside_reader import reader_name
from tests.integration.proof_line import ProofLine, broker_in, say
from tests.integration.verdict_count import VerdictCount, latencies_s
from tests.integration.worst_inputs import WORST
from tests.integration.worst_senders import Offence, Offender, silent_server

RATE = 10.0
MAX_P99_S = 2.0
NUM_WINDOWS = 6
"""Windows of memory: five minutes each in half an hour."""
FLAT_SHARE, FLAT_BYTES = 1.1, 16 * 2**20
"""The last window's median may exceed the second's by this much: the first is of the warm-up."""
AFTER_S = 60.0
"""For the verdicts of the last pieces."""
KEYS = "join.max_open_bytes = 146800640\njoin.max_signal_bytes = 67108864"
"""Bounds for a machine of 1 GiB: the largest image and a few more; `inspector check` prints their sum."""
MORE = """
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{port}"
[references]
allowed_prefixes = ["{prefix}"]
"""


@dataclass
class LimitedService:
    """`inspector serve` under a limit; starts again when it ends, and counts that."""

    line: ProofLine
    limit: MemoryLimit
    samples: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the start, bytes."""
    ended: int = 0
    _begin_s: float = field(default_factory=time.monotonic)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        return self.line.folder / "service.log"

    def start(self) -> None:
        self._process = self.limit.start(inspector("serve", "--config", str(self.line.config)), self.log)

    def tick(self) -> None:
        """Takes a sample of memory, and starts the service again when it has ended."""
        process = self._process
        if process is None or process.poll() is not None:
            self.ended += 1
            say(f"the service has ended with {None if process is None else process.returncode}; see {self.log}")
            self.start()
        elif used := self.limit.used_bytes(process.pid):
            self.samples.append((time.monotonic() - self._begin_s, used))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def windows(self) -> list[list[int]]:
        """Samples in equal stretches of time."""
        if not self.samples:
            return []
        length_s = (self.samples[-1][0] + 1e-3) / NUM_WINDOWS
        parts: list[list[int]] = [[] for _ in range(NUM_WINDOWS)]
        for at_s, used in self.samples:
            parts[int(at_s / length_s)].append(used)
        return [part for part in parts if part]

    @property
    def is_flat(self) -> bool:
        windows = self.windows
        return len(windows) > 2 and median(windows[-1]) <= median(windows[1]) * FLAT_SHARE + FLAT_BYTES


@dataclass(frozen=True)
class MemoryResult:
    counted: VerdictCount
    latencies_s: Sequence[float]
    service: LimitedService
    offender: Offender

    @property
    def p99_s(self) -> float:
        return self.quantile_s(0.99)

    @property
    def is_good(self) -> bool:
        is_steady = self.service.is_flat and not self.service.ended
        return self.counted.is_exact and self.p99_s <= MAX_P99_S and is_steady

    def quantile_s(self, share: float) -> float:
        if not self.latencies_s:
            return float("inf")
        return self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


def run(line: ProofLine, limit: MemoryLimit, minutes: float, offence: Offence, silent_address: str) -> MemoryResult:
    """Good pieces and the worst inputs for so many minutes, then a wait for the last verdicts."""
    service = LimitedService(line, limit)
    with ExitStack() as stack:
        stack.callback(service.stop)
        service.start()
        log_file = service.log
        wait_for(lambda: "is assigned to" in log_file.read_text(errors="replace"), 60, "the service to own the line")
        pieces = round(minutes * 60 * RATE)
        publisher = line.simulate(pieces, RATE, "--stations", "5", "--seed", "3")
        stack.callback(publisher.wait)
        stack.callback(publisher.kill)
        with Offender(line, offence, silent_address) as offender:
            while publisher.poll() is None:
                _second(service, f"{sum(offender.sent.values())} of the worst sent")
        _finish(service)
        latencies = latencies_s(line.published, line.read("verdicts"))
        return MemoryResult(line.count(), latencies, service, offender)


def _finish(service: LimitedService) -> None:
    deadline_s, begin_s = time.monotonic() + AFTER_S, time.monotonic()
    while time.monotonic() < deadline_s and (time.monotonic() - begin_s < 3 or service.line.count().missing):
        _second(service, "waiting for the last verdicts")


def _second(service: LimitedService, what: str) -> None:
    service.tick()
    if len(service.samples) % 30 == 1:
        say(f"{service.samples[-1][1] / 2**20:.0f} MiB, {what}")
    time.sleep(1.0)


def table(result: MemoryResult) -> str:
    service, counted = result.service, result.counted
    worst = max(service.samples, key=lambda sample: sample[1], default=(0.0, 0))[1]
    rows = [
        ("good pieces with a verdict", counted.counted),
        ("doubled, missing", f"{len(counted.doubled)}, {len(counted.missing)}"),
        ("dead letters", counted.letters_by_reason),
        ("records with two dead letters", str(counted.doubled_letters)),
        ("publish to verdict p50, p99, most", ", ".join(f"{result.quantile_s(q):.2f} s" for q in (0.5, 0.99, 1.0))),
        ("limit", f"{service.limit.max_bytes / 2**20:.0f} MiB by {service.limit.name}"),
        ("memory at most", f"{worst / 2**20:.0f} MiB in {len(service.samples)} samples"),
        ("memory flat", "yes" if service.is_flat else "no"),
        ("ended", f"{service.ended}; killed by the kernel: {service.limit.num_kills}"),
        ("decisions", ", ".join(f"{number} {name}" for name, number in counted.rulings.items())),
        ("reader", reader_name() if service.line.bootstrap else "SQLite"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def details(result: MemoryResult) -> str:
    """Memory by window, and the inputs sent."""
    windows = ["| window | start MiB | median MiB | most MiB |", "|---|---|---|---|"]
    for number, part in enumerate(result.service.windows, 1):
        first, middle, most = (value / 2**20 for value in (part[0], median(part), max(part)))
        windows.append(f"| {number} | {first:.0f} | {middle:.0f} | {most:.0f} |")
    inputs = ["| input | taken by the log | refused by it, or not possible |", "|---|---|---|"]
    inputs += [f"| {name} | {result.offender.sent[name]} | {result.offender.refused[name]} |" for name in WORST]
    return "\n".join([*windows, "", *inputs])


@contextmanager
def proof_line(log: str, folder: Path, silent_address: str) -> Iterator[ProofLine]:
    more = MORE.format(port=free_ports(1)[0], prefix=silent_address)
    with ExitStack() as stack:
        bootstrap = stack.enter_context(broker_in(folder / "kafka"))[0] if log == "kafka" else ""
        yield ProofLine.create(folder / "memory", bootstrap, keys=KEYS, more=more)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--log", choices=("kafka", "embedded"), default="kafka")
    parser.add_argument("--limit-mib", type=int, default=1024)
    parser.add_argument("--every-s", type=float, default=1.0, help="one of the worst inputs comes this often")
    parser.add_argument(
        "--only", default="", help="inputs whose name has this in it; one that none has: good pieces alone"
    )
    parser.add_argument("--folder", type=Path, help="keep configuration and logs here")
    parser.add_argument("--out", type=Path, help="write the tables here too")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="memory-"))
    with (
        silent_server() as silent_address,
        proof_line(arguments.log, folder, silent_address) as line,
        memory_limit(arguments.limit_mib * 2**20) as limit,
    ):
        result = run(line, limit, arguments.minutes, Offence(arguments.every_s, arguments.only), silent_address)
        text = f"{table(result)}\n\n{details(result)}"
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
