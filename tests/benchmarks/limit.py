"""Measures the work that no service can leave out: decoding and graphs alone, with no log, no join and no verdict.

    python -m tests.benchmarks.limit --seconds 10 --out limit.json

The pieces are those of `tests.benchmarks.publisher`, routed as the service's judge routes them. One thread, then two
threads and two processes on the same pieces; the processor time of a piece on one thread, divided by what the service
spends on one, says how much of the service is this work.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from inspector.api.verdict import Verdict
from tests.benchmarks.publisher import POOL
from tests.benchmarks.rivals.expected import BUNDLE, pool, requests_of, verdicts_of
from tests.benchmarks.rivals.model import Model
from tests.benchmarks.rivals.requests_body import piece_of

CORES = 2


@dataclass(frozen=True)
class Worked:
    """One worker's work."""

    pieces: int
    in_full: int
    wall_s: float
    cpu_s: float
    """Of this thread."""


@dataclass(frozen=True)
class Limit:
    """Pieces a second and milliseconds of processor time a piece of the bare work."""

    batch: int
    full_share: float
    """Share of pieces on which every expert ran."""
    judge_full_share: float
    """The same, counted in verdicts of the service's judge."""
    cpu_ms: float
    """Per piece, on one thread."""
    one_thread_per_s: float
    two_threads_per_s: float
    two_processes_per_s: float


def work(model: Model, bodies: Sequence[bytes], batch: int, seconds: float) -> Worked:
    """Decodes and judges batch after batch, the same pieces again and again, for `seconds`; one batch at least."""
    pieces = in_full = position = 0
    started_s, cpu_s = time.perf_counter(), time.thread_time()
    while not pieces or time.perf_counter() - started_s < seconds:
        chosen = [bodies[(position + offset) % len(bodies)] for offset in range(batch)]
        judgements = model.judge([piece_of(body) for body in chosen])
        pieces, position = pieces + batch, (position + batch) % len(bodies)
        in_full += sum(judgement.in_full for judgement in judgements)
    return Worked(pieces, in_full, time.perf_counter() - started_s, time.thread_time() - cpu_s)


def per_s(done: Sequence[Worked]) -> float:
    """Pieces a second of workers that run at the same time."""
    return sum(each.pieces / each.wall_s for each in done)


def full_share(verdicts: Sequence[Verdict]) -> float:
    """Of the pieces on which every expert ran."""
    return sum(all(expert.ran for expert in verdict.message.experts) for verdict in verdicts) / len(verdicts)


def in_threads(bodies: Sequence[bytes], batch: int, seconds: float, number: int) -> list[Worked]:
    """A model for each thread, so that no session is waited for."""
    models = [Model(BUNDLE) for _ in range(number)]
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(lambda model: work(model, bodies, batch, seconds), models))


def in_processes(bodies: Sequence[bytes], batch: int, seconds: float, number: int) -> list[Worked]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(number) as processes:
        return processes.starmap(_process, [(bodies, batch, seconds)] * number, chunksize=1)


def _process(bodies: Sequence[bytes], batch: int, seconds: float) -> Worked:
    cv2.setNumThreads(1)
    model = Model(BUNDLE)
    work(model, bodies, batch, min(0.5, seconds))
    return work(model, bodies, batch, seconds)


def measure(batch: int, seconds: float, num_pieces: int = POOL) -> Limit:
    cv2.setNumThreads(1)
    pieces = pool(num_pieces)
    bodies = [request.SerializeToString() for request in requests_of(pieces)]
    work(Model(BUNDLE), bodies, batch, min(0.5, seconds))
    (alone,) = in_threads(bodies, batch, seconds, 1)
    return Limit(
        batch=batch,
        full_share=alone.in_full / alone.pieces,
        judge_full_share=full_share(verdicts_of(pieces)),
        cpu_ms=alone.cpu_s * 1e3 / alone.pieces,
        one_thread_per_s=per_s([alone]),
        two_threads_per_s=per_s(in_threads(bodies, batch, seconds, CORES)),
        two_processes_per_s=per_s(in_processes(bodies, batch, seconds, CORES)),
    )


HEAD = (
    "| batch | all experts ran | of the judge | CPU ms per piece | one thread/s | two threads/s | two processes/s |\n"
    + "|---" * 7
    + "|"
)


def row(limit: Limit) -> str:
    return (
        f"| {limit.batch} | {limit.full_share:.1%} | {limit.judge_full_share:.1%} | {limit.cpu_ms:.2f} "
        f"| {limit.one_thread_per_s:.0f} | {limit.two_threads_per_s:.0f} | {limit.two_processes_per_s:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", default="1,2,4,8,16", help="pieces per run of an expert, in turn")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of three measurements per batch")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    print(HEAD, flush=True)
    limits = []
    for batch in options.batches.split(","):
        limits.append(measure(int(batch), options.seconds))
        print(row(limits[-1]), flush=True)
    if options.out:
        options.out.write_text(json.dumps([asdict(limit) for limit in limits], indent=1))


if __name__ == "__main__":
    main()
