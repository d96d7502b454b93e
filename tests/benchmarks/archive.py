"""Measures the archive: durable verdicts a second, and look-ups in many verdicts.

    python -m tests.benchmarks.archive --rows 1000000

Fills each database by statements of its own, since a line would need days, then looks up pieces by each kind of filter
with values drawn by a seed, and draws each chart of the page. Few verdicts have their body, which no look-up reads.
"""

import argparse
import json
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import func, select, text

from inspector.archive.database import Bounds, Database
from inspector.archive.figures import By, Figures, Scope
from inspector.archive.find import Archive, PieceFilter, PieceRow
from inspector.archive.followers import archive_followers
from inspector.archive.metrics import database_bytes, wal_bytes
from inspector.archive.migrate import upgrade
from inspector.archive.schema import VERDICTS
from streams.embedded.log import EmbeddedLog
from streams.embedded.settings import EmbeddedSettings
from tests.benchmarks.archive_charts import chart_queries
from tests.benchmarks.archive_fill import (
    BUNDLE_PIECES,
    LOT_PIECES,
    PER_S,
    PRODUCTS,
    SCRAMBLE,
    STATIONS,
    begin_ns,
    fill,
)
from tests.inspector.archive.parts import Noted, make_verdict, publish
from tests.servers.postgres import running_postgres

SHIFT_NS = 8 * 3600 * 10**9


def filters(draw: random.Random, rows: int) -> dict[str, Callable[[], PieceFilter]]:
    newest_ns = begin_ns(rows) + rows * 10**9 // PER_S

    def piece() -> int:
        return draw.randrange(1, rows + 1)

    def moment_ns(before_ns: int = 0) -> int:
        return draw.randrange(begin_ns(rows), max(begin_ns(rows) + 1, newest_ns - before_ns))

    def station() -> str:
        return f"station-{draw.randrange(STATIONS)}"

    def day() -> PieceFilter:
        since_ns, low = moment_ns(86_400 * 10**9), draw.random()
        return PieceFilter(min_score=low, max_score=low + 0.002, since_ns=since_ns, until_ns=since_ns + 86_400 * 10**9)

    def line_of(place: str) -> str:
        """The generator ties lines to stations: both follow from one number."""
        return f"line-{int(place.rpartition('-')[2]) % 2}"

    def at_station() -> PieceFilter:
        place = station()
        return PieceFilter(line=line_of(place), station=place, until_ns=moment_ns())

    return {
        "newest": PieceFilter,
        "piece": lambda: PieceFilter(piece_id=f"piece-{piece() * SCRAMBLE % 2**32}"),
        "lot": lambda: PieceFilter(lot=f"lot-{piece() // LOT_PIECES}"),
        "station, time": at_station,
        "product, time": lambda: PieceFilter(product=f"product-{draw.randrange(PRODUCTS)}", until_ns=moment_ns()),
        "not PASS, time": lambda: PieceFilter(decisions=(2, 3), until_ns=moment_ns()),
        "FAIL at a station": lambda: PieceFilter(decisions=(2,), station=station(), until_ns=moment_ns()),
        "class, time": lambda: PieceFilter(defect_class=f"class-{draw.randrange(12)}", until_ns=moment_ns()),
        "class of a product": lambda: PieceFilter(
            defect_class=f"class-{draw.randrange(12)}", product=f"product-{draw.randrange(PRODUCTS)}"
        ),
        "bundle": lambda: PieceFilter(bundle_digest=f"digest-{piece() // BUNDLE_PIECES}"),
        "score range of a day": day,
    }


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def look_up(database: Database, rows: int, repeats: int, seed: int) -> Iterator[dict[str, object]]:
    archive, draw = Archive(database), random.Random(seed)
    for name, make in filters(draw, rows).items():
        first_ms, next_ms = list[float](), list[float]()
        for _ in range(repeats):
            piece_filter = make()
            page, took_ms = timed_page(archive, piece_filter, None)
            first_ms.append(took_ms)
            if page:
                next_ms.append(timed_page(archive, piece_filter, page[-1].key)[1])
        row: dict[str, object] = {"look-up": name, "p50_ms": round(percentile(first_ms, 0.5), 2)}
        row |= {"p95_ms": round(percentile(first_ms, 0.95), 2), "max_ms": round(max(first_ms), 2)}
        yield row | {"next_p95_ms": round(percentile(next_ms, 0.95), 2) if next_ms else None}


def reports(database: Database, rows: int, repeats: int, seed: int) -> Iterator[dict[str, object]]:
    figures, draw = Figures(database), random.Random(seed)
    newest_ns = begin_ns(rows) + rows * 10**9 // PER_S

    def shift(**scope: str) -> Scope:
        since_ns = draw.randrange(begin_ns(rows), max(begin_ns(rows) + 1, newest_ns - SHIFT_NS))
        return Scope(since_ns, since_ns + SHIFT_NS, **scope)

    calls: dict[str, Callable[[], object]] = {
        "shift Pareto": lambda: figures.pareto(shift()),
        "shift Pareto of a station": lambda: figures.pareto(shift(line="line-1", station="station-1")),
        "shift yield by station": lambda: figures.decisions(shift(), By.STATION),
        "shift latency": lambda: figures.latency(shift()),
    }
    for name, call in calls.items():
        took_ms = [timed_ms(call) for _ in range(repeats)]
        yield {"report": name, "p50_ms": round(percentile(took_ms, 0.5)), "max_ms": round(max(took_ms))}


def timed_page(archive: Archive, piece_filter: PieceFilter, before: int | None) -> tuple[list[PieceRow], float]:
    begin_s = time.perf_counter()
    page = archive.find(piece_filter, before)
    return page, (time.perf_counter() - begin_s) * 1000


def timed_ms(call: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    call()
    return (time.perf_counter() - begin_s) * 1000


def store_rate(database: Database, folder: Path, verdicts: int) -> dict[str, object]:
    """Follows a log that holds so many verdicts already."""
    log = EmbeddedLog(folder / f"{time.monotonic_ns()}.log", EmbeddedSettings(max_bytes=2**33))
    for first in range(0, verdicts, 1000):
        publish(log, [make_verdict(number) for number in range(first, min(first + 1000, verdicts))])
    with database.read() as connection:
        before = connection.execute(select(func.count()).select_from(VERDICTS)).scalar_one() if verdicts else 0
    noted, stop = Noted(), threading.Event()
    follower = archive_followers(log, database, noted)[0]
    thread = threading.Thread(target=follower.run, args=(stop,))
    begin_s, begin_cpu_s, peaks = time.perf_counter(), time.process_time(), list[int]()
    thread.start()
    while noted.num_stored < verdicts:
        time.sleep(0.01)
        if noted.num_stored * 10 // verdicts > len(peaks):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    wal_mib = round(wal_bytes(database) / 2**20, 1)
    stop.set()
    thread.join()
    return {"stored": verdicts, "rows before": before, "per_s": round(verdicts / took_s),
            "cpu_us": round(cpu_s * 1e6 / verdicts), "wal_mib": wal_mib,
            "memory_mib": f"{peaks[0]} to {peaks[-1]}"}  # fmt: skip


@contextmanager
def opened(url: str) -> Iterator[Database]:
    with closing(Database(url, bounds=Bounds(statement_timeout_s=7200.0))) as database:
        yield database


def measure(database: Database, folder: Path, options: argparse.Namespace) -> None:
    kind = "sqlite" if database.is_sqlite else "postgresql"

    def say(row: dict[str, object]) -> None:
        print(json.dumps({"database": kind, **row}), flush=True)

    upgrade(database)
    say(store_rate(database, folder, options.verdicts))
    if not options.rows:
        return
    with database.write() as connection:
        for table in ("verdicts", "stations", "positions", "followers", "topics"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    begin_s = time.perf_counter()
    fill(database, options.rows)
    say({"rows": options.rows, "filled_s": round(time.perf_counter() - begin_s), "mib": database_bytes(database) >> 20})
    for row in look_up(database, options.rows, options.repeats, options.seed):
        say(row)
    for row in reports(database, options.rows, 10, options.seed):
        say(row)
    for row in chart_queries(database, options.seed):
        say(row)
    say(store_rate(database, folder, options.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="0: only the rate of storing.")
    parser.add_argument("--verdicts", type=int, default=30_000, help="Verdicts stored from a log.")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "sqlite" in options.databases:
            with opened(f"sqlite:///{folder}/archive.sqlite") as database:
                measure(database, Path(folder), options)
        if "postgresql" in options.databases:
            with running_postgres() as server, opened(server.create_database()) as database:
                measure(database, Path(folder), options)


if __name__ == "__main__":
    main()
