"""Measures the archive: durable verdicts a second, and look-ups in many verdicts.

    python -m tests.benchmarks.archive --rows 1000000

Fills each database by statements of its own, since a line would need days, then looks up pieces by each kind of filter
with values drawn by a seed. One verdict in `BODY_EVERY` has its body, as all look-ups leave bodies alone.
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

from sqlalchemy import Connection, func, select, text

from inspector.archive.body import pack
from inspector.archive.database import Database
from inspector.archive.figures import By, Figures, Scope
from inspector.archive.find import Archive, PieceFilter, PieceRow
from inspector.archive.followers import archive_followers
from inspector.archive.metrics import database_bytes, wal_bytes
from inspector.archive.migrate import upgrade
from inspector.archive.schema import VERDICTS
from streams.embedded.log import EmbeddedLog
from streams.embedded.settings import EmbeddedSettings
from tests.inspector.archive.parts import Noted, make_verdict, publish
from tests.servers.postgres import running_postgres

PER_S = 12
BEGIN_NS = 1_700_000_000 * 10**9
SHIFT_NS = 8 * 3600 * 10**9
CHUNK = 100_000
BODY_EVERY = 20
STATIONS, PRODUCTS, LOT_PIECES, BUNDLE_PIECES = 8, 5, 500, 400_000
SCRAMBLE = 2_654_435_761

_FILL = """
INSERT INTO verdicts (key, topic_id, partition, "offset", line, station, piece_id, pass_number, product, lot, recipe,
  recipe_version, bundle, bundle_version, bundle_digest, engine, deployment, route, decision, reason, defect_class,
  score, pass_below, fail_above, cost_ms, deadline_missed, entry_ns, capture_ns, arrival_ns, decision_ns, publish_ns,
  append_ns, day, stored_bytes)
WITH RECURSIVE pieces (i, r) AS (
  SELECT CAST(:first AS BIGINT), CAST(:first AS BIGINT) * :scramble % 4294967296
  UNION ALL SELECT i + 1, (i + 1) * :scramble % 4294967296 FROM pieces WHERE i + 1 < :last)
SELECT i, 1, i % 4, i, 'line-' || (r % 2), 'station-' || (r % :stations), 'piece-' || r, 0,
  'product-' || (i / 5000 % :products), 'lot-' || (i / :lot), 'recipe', '3', 'bundle', '1.2.0',
  'digest-' || (i / :bundle), 'onnx/fp32', i / :bundle, 'cascade:exit',
  CASE WHEN r % 100 < 2 THEN 2 WHEN r % 100 < 5 THEN 3 ELSE 1 END, 1 + r % 3,
  CASE WHEN r % 100 < 5 THEN 'class-' || (r / 100 % 12) ELSE '' END,
  (r % 100003) / 100003.0, 0.2, 0.8, 4.5, {no},
  :begin + i * 1000000000 / :rate, :begin + i * 1000000000 / :rate, 0, 0,
  :begin + i * 1000000000 / :rate + 20000000 + r % 50000000, :begin + i * 1000000000 / :rate + 90000000,
  (:begin + i * 1000000000 / :rate) / 86400000000000, 600
FROM pieces"""


def fill(database: Database, rows: int) -> None:
    upgrade(database)
    body = pack(make_verdict(3)).body
    with database.write() as connection:
        connection.execute(text("INSERT INTO topics (id, name) VALUES (1, 'b.line-0.verdicts')"))
        for index in VERDICTS.indexes:
            index.drop(connection)
    for first in range(0, rows, CHUNK):
        with database.write() as connection:
            _fill_some(connection, first, min(first + CHUNK, rows), body, "0" if database.is_sqlite else "false")
    with database.write() as connection:
        for index in VERDICTS.indexes:
            index.create(connection)
        if not database.is_sqlite:
            connection.execute(text("SELECT setval('verdicts_key_seq', (SELECT max(key) FROM verdicts))"))
        connection.execute(text(_STATIONS))
    analyse(database)


def _fill_some(connection: Connection, first: int, last: int, body: bytes, no: str) -> None:
    numbers = {
        "first": first + 1, "last": last + 1, "scramble": SCRAMBLE, "stations": STATIONS, "products": PRODUCTS,
        "lot": LOT_PIECES, "bundle": BUNDLE_PIECES, "begin": BEGIN_NS, "rate": PER_S,
    }  # fmt: skip
    connection.execute(text(_FILL.format(no=no)), numbers)
    connection.execute(text(_BODIES), {"body": body, "first": first, "last": last, "n": BODY_EVERY})


_BODIES = """
INSERT INTO verdict_bodies SELECT key, :body FROM verdicts WHERE key > :first AND key <= :last AND key % :n = 0"""
_STATIONS = """
INSERT INTO stations (line, station, product, first_ns, last_ns)
SELECT line, station, product, min(entry_ns), max(entry_ns) FROM verdicts GROUP BY line, station, product"""


def analyse(database: Database) -> None:
    """PostgreSQL does this by itself some minutes after so many inserts; SQLite never does."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def filters(draw: random.Random, rows: int) -> dict[str, Callable[[], PieceFilter]]:
    newest_ns = BEGIN_NS + rows * 10**9 // PER_S

    def piece() -> int:
        return draw.randrange(1, rows + 1)

    def moment_ns(before_ns: int = 0) -> int:
        return draw.randrange(BEGIN_NS, max(BEGIN_NS + 1, newest_ns - before_ns))

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
    newest_ns = BEGIN_NS + rows * 10**9 // PER_S

    def shift(**scope: str) -> Scope:
        since_ns = draw.randrange(BEGIN_NS, max(BEGIN_NS + 1, newest_ns - SHIFT_NS))
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
    with closing(Database(url)) as database:
        yield database


def measure(database: Database, folder: Path, options: argparse.Namespace) -> None:
    kind = "sqlite" if database.is_sqlite else "postgresql"

    def say(row: dict[str, object]) -> None:
        print(json.dumps({"database": kind, **row}), flush=True)

    upgrade(database)
    say(store_rate(database, folder, options.verdicts))
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
    say(store_rate(database, folder, options.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
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
