"""Publishes a synthetic line from prepared recordings and reports its progress twice a second. A process.

    python -m tests.benchmarks.publisher --config service.toml --rate 100 --seconds 60

Making a piece costs more than publishing it, so a pool of pieces is made first and repeated under new names.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from inspector.config.opening import open_log
from inspector.config.service import load_service
from inspector.replay.faults import PERFECT, Scheduled
from inspector.replay.line import line_records
from inspector.replay.pacing import Clock, publish_paced
from inspector.replay.pieces import LinePiece, SimulatedPieces
from inspector.replay.run import Request, prepare
from inspector.simulation.pieces import LineSettings

POOL = 300
REPORT_S = 0.5


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--stations", type=int, default=4)
    arguments = parser.parse_args()
    num_pieces = round(arguments.rate * arguments.seconds)
    source = Pool(num_pieces, SimulatedPieces(LineSettings(seed=2026), min(POOL, num_pieces)))
    service = load_service(arguments.config)
    clock = Clock()
    run = prepare(source, service, Request(arguments.rate, stations=arguments.stations), clock.now_ns())
    report(stations=run.plan.num_stations, pieces=num_pieces)
    records = line_records(source, run.recipe.assembly, run.plan, run.settings, PERFECT)
    with closing(open_log(arguments.config, service.config)) as log, closing(log.publisher()) as publisher:
        done = publish_paced(reporting(records), publisher, clock)
    report(done=True, behind_s=done.behind_s, records=done.records)


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
