"""Decodes damaged records of all kinds and measures processor time and memory of each; exit code 1 past a bound.

python -m tests.benchmarks.fuzz_records --records 1000000 --seed 1
python -m tests.benchmarks.fuzz_records --seed 1 --only 4711      # one record again, by its number
"""

import argparse
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import Progress

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.images import decode_file
from streams.decode.items import Chunk, Event, Frame, Item, Rejected, Trace
from streams.decode.limits import Limits
from streams.decode.records import decode, decoded_size
from tests import malformed as bad
from tests.benchmarks.mutations import damaged, is_large, large_records

LIMITS = Limits()
MAX_CPU_MS = 1500.0
"""An image at the limit of 128 MiB costs 0.7 to 1.2 s of a busy core, any other less than half a second."""
MAX_PEAK_MIB = 3.3 * LIMITS.max_image_bytes / 2**20 + 64
"""What decoding one record may add to a process: 3.3 times the largest image, and the heap that glibc has kept of
earlier ones. Of a million records the worst added 452 MiB where it stood, and 374 alone."""
MAX_KEPT_MIB = 96.0
"""After 2,000 records; glibc keeps up to 64 MiB of freed heap once it has seen large blocks."""
_BLOCK = 2_000


@dataclass
class Block:
    """Cost of a run of records, and the numbers of the worst ones."""

    num_records: int = 0
    cpu_s: float = 0.0
    worst_cpu_ms: float = 0.0
    worst_cpu: str = ""
    peak_mib: float = 0.0
    peak: str = ""
    kept_mib: float = 0.0
    stderr_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Block") -> None:
        if other.worst_cpu_ms > self.worst_cpu_ms:
            self.worst_cpu_ms, self.worst_cpu = other.worst_cpu_ms, other.worst_cpu
        if other.peak_mib > self.peak_mib:
            self.peak_mib, self.peak = other.peak_mib, other.peak
        self.num_records += other.num_records
        self.cpu_s += other.cpu_s
        self.kept_mib = max(self.kept_mib, other.kept_mib)
        self.stderr_bytes += other.stderr_bytes
        self.outcomes += other.outcomes
        self.faults += other.faults

    def violations(self) -> list[str]:
        """Bounds that do not hold, in words."""
        measured = (
            ("CPU of one record, ms", self.worst_cpu_ms, MAX_CPU_MS, self.worst_cpu),
            ("memory of one record, MiB", self.peak_mib, MAX_PEAK_MIB, self.peak),
            ("memory kept after a block, MiB", self.kept_mib, MAX_KEPT_MIB, ""),
            ("bytes on stderr", self.stderr_bytes, 0, ""),
        )
        return self.faults + [
            f"{what}: {value:.1f}, expected at most {most:.0f} ({which})"
            for what, value, most, which in measured
            if value > most
        ]


def run_block(seed: int, start: int, count: int) -> Block:
    """Decodes the records `start` to `start + count`, each by itself."""
    block = Block()
    if any(is_large(number) for number in range(start, start + count)):
        large_records()
    for image, form in ((bad.png(bad.picture()), 1), (bad.jpeg(bad.picture()), 2)):
        decode_file(image, form, LIMITS)  # the one-off cost of loading libraries belongs to no record
    before_mib = _reset_peak_mib()
    with _stderr_counted(block):
        for number in range(start, start + count):
            _decode_one(block, seed, number)
    block.kept_mib = _reset_peak_mib() - before_mib
    return block


def _decode_one(block: Block, seed: int, number: int) -> None:
    record, changes = damaged(seed, number)
    before_mib, start = _reset_peak_mib(), time.thread_time()
    try:
        item: Item | Exception = decode(record, LIMITS, bad.LINE)
    except Exception as exc:  # noqa: BLE001 - any exception is what this looks for
        item = exc
    cpu_s = time.thread_time() - start
    growth_mib = _peak_mib() - before_mib
    block.num_records += 1
    block.cpu_s += cpu_s
    block.outcomes[_outcome(item)] += 1
    if cpu_s * 1e3 > block.worst_cpu_ms:
        block.worst_cpu_ms, block.worst_cpu = cpu_s * 1e3, f"{number}: {changes}"
    if growth_mib > block.peak_mib:
        block.peak_mib, block.peak = growth_mib, f"{number}: {changes}"
    if fault := _fault(item, decoded_size(record, LIMITS)):
        block.faults.append(f"record {number} ({changes}): {fault}")


def _outcome(item: Item | Exception) -> str:
    if isinstance(item, Rejected):
        return DeadLetterReason.Name(item.reason).removeprefix("DEAD_LETTER_REASON_")
    return type(item).__name__


def _fault(item: Item | Exception, declared_bytes: int) -> str:
    match item:
        case Rejected():
            return "" if item.reason and item.detail else "is rejected without a reason"
        case Frame() if item.image is not None and item.image.nbytes > declared_bytes:
            return f"keeps {item.image.nbytes} bytes, {declared_bytes} were declared"
        case Chunk() | Trace() if item.samples.nbytes > declared_bytes:
            return f"keeps {item.samples.nbytes} bytes, {declared_bytes} were declared"
        case Frame() | Chunk() | Trace() | Event():
            return ""
    return f"raises {item!r}"


@contextmanager
def _stderr_counted(block: Block) -> Iterator[None]:
    """Counts what any library writes to descriptor 2."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            block.stderr_bytes = os.fstat(file.fileno()).st_size


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _reset_peak_mib() -> float:
    """Resets the process's peak of resident memory and returns the present size."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _peak_mib()


def run(seed: int, num_records: int, num_processes: int) -> Block:
    """All blocks, in fresh processes, with a progress bar."""
    total = Block()
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(num_processes, mp_context=context) as pool,
        Progress() as progress,
    ):
        bar = progress.add_task("records", total=num_records)
        starts = range(0, num_records, _BLOCK)
        blocks = [pool.submit(run_block, seed, start, min(_BLOCK, num_records - start)) for start in starts]
        for block in as_completed(blocks):
            total.add(block.result())
            progress.update(bar, completed=total.num_records)
    return total


def table(total: Block, wall_s: float) -> str:
    """The figures as a Markdown table."""
    lines = [
        ("records", f"{total.num_records}"),
        ("seconds, wall", f"{wall_s:.0f}"),
        ("seconds, decoding", f"{total.cpu_s:.0f}"),
        ("worst CPU of a record, ms", f"{total.worst_cpu_ms:.1f} ({total.worst_cpu})"),
        ("most memory for a record, MiB", f"{total.peak_mib:.0f} ({total.peak})"),
        ("most memory kept after a block, MiB", f"{total.kept_mib:.0f}"),
        ("bytes on stderr", f"{total.stderr_bytes}"),
        *((outcome, str(count)) for outcome, count in total.outcomes.most_common()),
    ]
    return "\n".join(["| what | value |", "|---|---|", *(f"| {what} | {value} |" for what, value in lines)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=max(1, os.cpu_count() or 1))
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    logging.disable()
    start = time.monotonic()
    if options.only is not None:
        total = run_block(options.seed, options.only, 1)
    else:
        total = run(options.seed, options.records, options.processes)
    print(table(total, time.monotonic() - start))
    for violation in total.violations()[:20]:
        print(f"ABOVE ITS BOUND: {violation}")
    return 1 if total.violations() else 0


if __name__ == "__main__":
    sys.exit(main())
