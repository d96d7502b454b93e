"""What the join costs per record, over stations, open pieces and chunk rate: no log, no decoding, no model.

    python -m tests.benchmarks.join
    python -m tests.benchmarks.join --out after.json
    python -m tests.benchmarks.join --plot join_cost.svg before.json after.json

Each station sends pieces at an even takt, each with an `entered` event and frames of two cameras, the second one four
seconds after the first, and chunks of a microphone. A piece is open until its second frame and a window of sound after
it: so the takt sets the number of open pieces, and the mixture of records stays. A shard has up to 64 stations.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streams.decode.items import Chunk, Event, EventKind, Frame, Item, Origin
from streams.join.assembly import AssemblySpec, CameraSpec, JoinSettings, SensorSpec
from streams.join.join import Join
from streams.log import Assignment
from streams.observation import InspectionId
from streams.records import Shard, Topics

T0, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
OPEN_S, WINDOW_S = 4.0, 0.1
CHUNK_SAMPLES = 100
STATIONS_PER_SHARD = 64
RECORDS_PER_TURN, TURNS_PER_COMMIT = 16, 2
MEASURED = 1600
POOL = 97
"""Recordings that differ; no source repeats one within the history that a frozen source is known by."""


class Cell(NamedTuple):
    """One run."""

    stations: int
    open_pieces: int
    """Of all stations."""
    chunks_per_piece: int

    @property
    def takt_s(self) -> float:
        return OPEN_S * self.stations / self.open_pieces

    @property
    def chunk_s(self) -> float:
        return self.takt_s / self.chunks_per_piece


GRID = [
    *(Cell(stations, stations, 4) for stations in (1, 4, 16, 64, 256)),
    *(Cell(stations, 256, 4) for stations in (1, 4, 16, 64)),
    *(Cell(stations, 1024, 4) for stations in (1, 4, 16, 64, 256)),
    *(Cell(16, 256, chunks) for chunks in (1, 16, 64)),
]


class Book:
    """One product at every station."""

    def __init__(self, cell: Cell) -> None:
        rate_hz = CHUNK_SAMPLES / cell.chunk_s
        self.mic = SensorSpec("mic", "audio", rate_hz, start_s=OPEN_S, end_s=OPEN_S + WINDOW_S)
        self._spec = AssemblySpec((CameraSpec("top"), CameraSpec("side")), (self.mic,), capture_span_s=OPEN_S + 1)

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec:
        return self._spec

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {"mic": self.mic}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset({"top", "side"})

    def traces_open(self, line: str, station: str) -> bool:
        return False


Make = Callable[[Origin], Item]
Timed = tuple[int, int, str, Make]
"""Event time, number of the station, kind of topic, record."""


class Line:
    """The records of all stations in order of event time, without end."""

    def __init__(self, cell: Cell, book: Book) -> None:
        random = np.random.default_rng(17)
        self._cell, self._book = cell, book
        self._images = random.integers(0, 255, (POOL, 24, 32), np.uint8)
        self._chunks = random.normal(size=(POOL, CHUNK_SAMPLES, 1)).astype(np.float32)

    def records(self) -> Iterator[Timed]:
        stations = range(self._cell.stations)
        streams = [self._pieces(number, name) for number in stations for name in ("entered", "top", "side")]
        return merge(*streams, *(self._sound(number) for number in stations), key=lambda timed: timed[:2])

    def _begin_ns(self, number: int) -> int:
        """Stations are out of step."""
        return T0 + round(number / self._cell.stations * self._cell.takt_s * SECOND)

    def _pieces(self, number: int, what: str) -> Iterator[Timed]:
        piece, takt_ns = 0, round(self._cell.takt_s * SECOND)
        while True:
            at_ns = self._begin_ns(number) + piece * takt_ns
            inspection = InspectionId("line", f"s{number}", f"p{piece}")
            if what == "entered":
                yield at_ns, number, "pieces", _entered(inspection, at_ns)
            else:
                at_ns += round(OPEN_S * SECOND) if what == "side" else 0
                yield at_ns, number, "frames", _frame(inspection, what, at_ns, self._images[piece % POOL])
            piece += 1

    def _sound(self, number: int) -> Iterator[Timed]:
        chunk = 0
        while True:
            start_ns = self._begin_ns(number) + round(chunk * self._cell.chunk_s * SECOND)
            end_ns = start_ns + round(self._cell.chunk_s * SECOND)
            make = _chunk(self._book.mic, f"s{number}", chunk * CHUNK_SAMPLES, start_ns, self._chunks[chunk % POOL])
            yield end_ns, number, "signals", make
            chunk += 1


def _entered(inspection: InspectionId, at_ns: int) -> Make:
    return lambda origin: Event(origin, inspection, "good", "", EventKind.ENTERED, at_ns)


def _frame(inspection: InspectionId, camera: str, at_ns: int, image: Any) -> Make:
    return lambda origin: Frame(origin, inspection, "good", "", camera, 0, at_ns, image, None)


def _chunk(mic: SensorSpec, station: str, first: int, start_ns: int, samples: Any) -> Make:
    rate_hz = mic.sample_rate_hz
    return lambda origin: Chunk(origin, "line", station, mic.name, mic.kind, "s", first, start_ns, rate_hz, samples)


class Worker:
    """Drives the joins of all shards as the main loop of a worker does."""

    def __init__(self, cell: Cell, book: Book) -> None:
        settings = JoinSettings(
            max_delay_s=20.0, max_open_pieces=4096, max_stations=STATIONS_PER_SHARD, max_source_offset_s=20.0
        )
        self._topics = Topics("bench", "line")
        num_shards = -(-cell.stations // STATIONS_PER_SHARD)
        self.joins = [
            Join(Assignment(Shard("line", number), {}, {}), (), book, self._topics, settings)
            for number in range(num_shards)
        ]
        self._next: dict[tuple[int, str], int] = {}
        self.num_closed = 0
        self._unsettled: list[list[InspectionId]] = [[] for _ in self.joins]
        self._turn = 0

    def items(self, records: Iterable[Timed]) -> list[tuple[Join, Item]]:
        """The records with their places in the log: append time is event time."""
        items = []
        for at_ns, number, kind, make in records:
            shard = number // STATIONS_PER_SHARD
            offset = self._next[shard, kind] = self._next.get((shard, kind), -1) + 1
            items.append((self.joins[shard], make(Origin(self._topics.of(kind), shard, offset, at_ns))))
        return items

    def turn(self, items: Iterable[tuple[Join, Item]], now_s: float) -> None:
        for join, item in items:
            join.add(item)
            join.references()
        for join, unsettled in zip(self.joins, self._unsettled, strict=True):
            unsettled += [piece.inspection for piece in join.advance(frozenset(), at_end=True, now_s=now_s)]
        self._turn += 1
        if self._turn % TURNS_PER_COMMIT == 0:
            self._commit()
        for join in self.joins:
            join.ahead()
            _ = join.first_open, join.num_open, join.open_bytes, join.signal_bytes

    def _commit(self) -> None:
        for join, unsettled in zip(self.joins, self._unsettled, strict=True):
            if rejected := join.rejected():
                raise AssertionError(rejected[0])
            join.settle(unsettled)
            self.num_closed += len(unsettled)
            unsettled.clear()
            join.positions()
            join.committed({})


def measure(cell: Cell) -> dict[str, float]:
    """Microseconds of processor time per record, once the number of open pieces is stable."""
    book = Book(cell)
    worker, records = Worker(cell, book), Line(cell, book).records()
    per_piece = 3 + cell.chunks_per_piece
    warm_up = 4 * cell.open_pieces * per_piece // 3 + 2 * per_piece * cell.stations
    spent_s, now_s = 0.0, 0.0
    num_turns = (warm_up + MEASURED) // RECORDS_PER_TURN
    for number in range(num_turns):
        items, now_s = worker.items(islice(records, RECORDS_PER_TURN)), now_s + 0.01
        begin_s = time.process_time()
        worker.turn(items, now_s)
        if number * RECORDS_PER_TURN >= warm_up:
            spent_s += time.process_time() - begin_s
    if not worker.num_closed:
        raise AssertionError("no piece has closed")
    num_measured = sum(number * RECORDS_PER_TURN >= warm_up for number in range(num_turns)) * RECORDS_PER_TURN
    num_open = sum(join.num_open for join in worker.joins)
    return {**cell._asdict(), "open": num_open, "us_per_record": spent_s / num_measured * 1e6}


def report(cells: Iterable[Cell]) -> list[dict[str, float]]:
    print("| stations | open pieces | chunks per piece | us per record |\n|---|---|---|---|", flush=True)
    results = []
    for cell in cells:
        result = measure(cell)
        results.append(result)
        print(
            f"| {cell.stations} | {result['open']} | {cell.chunks_per_piece} | {result['us_per_record']:.1f} |",
            flush=True,
        )
    return results


def plot(path: Path, sources: list[Path]) -> None:
    """Draws the cost over the stations: one line per file of figures and number of open pieces."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "join"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for source, style in zip(sources, ("--", "-", ":"), strict=False):
        rows = [row for row in json.loads(source.read_text()) if row["chunks_per_piece"] == 4]
        for color, (label, chosen) in enumerate(_series(rows)):
            stations = [row["stations"] for row in chosen]
            costs = [row["us_per_record"] for row in chosen]
            axes.plot(stations, costs, style, marker="o", color=f"C{color}", label=f"{source.stem}: {label}")
    axes.set(xscale="log", yscale="log", xlabel="stations", ylabel="processor time per record in us")
    axes.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def _series(rows: list[dict[str, float]]) -> Iterator[tuple[str, list[dict[str, float]]]]:
    for label, total in (("one piece open per station", None), ("256 open", 256), ("1024 open", 1024)):
        yield label, [row for row in rows if row["open_pieces"] == (row["stations"] if total is None else total)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cells", default="", help="such as 1x256x4,64x64x4: stations x open pieces x chunks per piece"
    )
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the figures of earlier runs instead")
    parser.add_argument("figures", nargs="*", type=Path, help="with --plot: files written with --out")
    arguments = parser.parse_args()
    if arguments.plot:
        plot(arguments.plot, arguments.figures)
        return
    chosen = [Cell(*map(int, cell.split("x"))) for cell in arguments.cells.split(",") if cell]
    results = report(chosen or GRID)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
