"""Publishes a synthetic line from prepared recordings and reports its progress twice a second. A process.

    python -m tests.benchmarks.publisher --config service.toml --rate 100 --seconds 60

Making and encoding a piece costs more than publishing it. So a pool of pieces is made first and repeated under new
names, and all records of the run are encoded before the first is published, with the times at which they will be due.
What does not fit into `--ahead-mib` is encoded while the line runs, and counts as the publisher's processor time.
"""

import argparse
import gc
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.replay.faults import NS, PERFECT, Scheduled
from inspector.replay.line import line_records
from inspector.replay.pacing import Clock, publish_paced
from inspector.replay.pieces import LinePiece, Provenance, SimulatedPieces
from inspector.replay.run import Request, Run, prepare
from inspector.simulation.pieces import LineSettings

POOL = 300
REPORT_S = 0.5
NAP_S = 0.01
"""Records due within it are published together."""
FIRST_LEAD_S = 2.0
MAX_TRIES = 5


class Pool:
    """`PieceSource` that repeats the same recordings."""

    def __init__(self, num_pieces: int, simulated: SimulatedPieces) -> None:
        self._num_pieces = num_pieces
        self._pieces = [simulated.piece(number) for number in range(len(simulated))]
        self.modalities = simulated.modalities

    def __len__(self) -> int:
        return self._num_pieces

    def piece(self, number: int) -> LinePiece:
        return replace(self._pieces[number % len(self._pieces)], piece_id=f"b-{number:06d}")

    def as_trained(self, provenance: Provenance) -> "Pool":
        """The synthetic line has no good class that a training could rename."""
        return self


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--chunk-s", type=float, default=0.1)
    parser.add_argument("--ahead-mib", type=int, default=4096, help="encode at most this much beforehand")
    arguments = parser.parse_args()
    num_pieces = round(arguments.rate * arguments.seconds)
    source = Pool(num_pieces, SimulatedPieces(LineSettings(seed=2026), min(POOL, num_pieces)))
    service = load_service(arguments.config)
    clock = Clock()
    request = Request(arguments.rate, stations=arguments.stations, chunk_s=arguments.chunk_s)
    run, records = prepared(source, service, request, clock, arguments.ahead_mib * 2**20)
    gc.freeze()  # else every full collection looks at all encoded records
    report(stations=run.plan.num_stations, pieces=num_pieces)
    with closing(open_log(arguments.config, service.config)) as log, closing(log.publisher()) as publisher:
        done = publish_paced(reporting(records), publisher, clock, nap_s=NAP_S)
    report(done=True, behind_s=done.behind_s, records=done.records)


def prepared(
    source: Pool, service: Service, request: Request, clock: Clock, max_bytes: int
) -> tuple[Run, Iterator[Scheduled]]:
    """The run with its records encoded. Starts over with a later first piece where encoding takes too long."""
    lead_s = FIRST_LEAD_S
    for _ in range(MAX_TRIES):
        first_ns = clock.now_ns() + round(lead_s * NS)
        run = prepare(source, service, request, first_ns)
        rest = line_records(source, run.recipe.assembly, run.plan, run.settings, PERFECT)
        first = encoded(rest, max_bytes, clock, first_ns)
        if clock.now_ns() < first_ns:
            return run, chain(first, rest)
        reached_s = (first[-1].at_ns - first_ns) / NS
        lead_s *= 1.5 * max(1.0, len(source) / request.rate_hz / max(reached_s, 0.1))
    raise RuntimeError(f"encoding takes longer than {lead_s:.0f} s: publish fewer pieces, or set a lower --ahead-mib")


def encoded(records: Iterator[Scheduled], max_bytes: int, clock: Clock, until_ns: int) -> list[Scheduled]:
    """The first records: `max_bytes` of them, or what is ready in time."""
    first, num_bytes = [], 0
    for record in records:
        first.append(record)
        num_bytes += len(record.output.value)
        if num_bytes > max_bytes or clock.now_ns() > until_ns:
            break
    return first


def reporting(records: Iterator[Scheduled]) -> Iterator[Scheduled]:
    """Passes the records through and reports the capture time of the newest frame twice a second."""
    next_s = 0.0
    for record in records:
        if record.output.topic.endswith(".frames") and time.monotonic() > next_s:
            next_s = time.monotonic() + REPORT_S
            report(captured_ns=record.at_ns)
        yield record


def report(**values: float | int | bool) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
