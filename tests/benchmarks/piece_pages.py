"""Times the pages of pieces and charts at the server: python -m tests.benchmarks.piece_pages --verdicts 1000000

Fills an SQLite archive once (a few thousand made verdicts, multiplied in the database) and asks every page and chart
several times. `--folder` keeps the archive for the next run.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, literal, select
from starlette.testclient import TestClient

from inspector.archive.schema import VERDICT_BODIES, VERDICT_SENSORS, VERDICTS
from tests.inspector.web.filled_archive import NS, TAKT_NS, FilledArchive
from tests.inspector.web.piece_parts import open_pages

SEED = 20_000
NUM_CALLS = 5
HOURS = (1, 8, 24, 168, 720)
MAX_BODIES = 500_000
"""No page reads more than one body at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--uncounted", action="store_true", help="Leave out the charts that are read from counts.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with open_pages(folder) as pages, TestClient(pages.app) as client:
            begin_ns = begin_of(arguments.verdicts)
            fill(pages.archive, arguments.verdicts, begin_ns)
            if not arguments.uncounted:
                begun_s = time.perf_counter()
                pages.archive.count()
                print(f"counted for charts in {time.perf_counter() - begun_s:.0f} s\n")
            print("| page | bytes | median ms | slowest ms |\n| --- | ---: | ---: | ---: |")
            for name, path in paths(begin_ns, arguments.verdicts, (1,) if arguments.uncounted else HOURS):
                report(client, name, path)


def begin_of(num_verdicts: int) -> int:
    """The newest of the verdicts is of a fixed moment, so that a kept archive stays right."""
    return 1_790_000_000 * NS - num_verdicts * TAKT_NS


def fill(archive: FilledArchive, num_verdicts: int, begin_ns: int) -> None:
    with archive.database.read() as connection:
        stored = connection.execute(select(VERDICTS.c.key).order_by(VERDICTS.c.key.desc()).limit(1)).scalar() or 0
    if not stored:
        archive.fill(min(SEED, num_verdicts), start_ns=begin_ns)
        stored = archive.num_verdicts
    while stored < num_verdicts:
        count = min(stored, num_verdicts - stored)
        with archive.database.write() as connection:
            copy(connection, stored, count)
        stored += count


def copy(connection: Connection, shift: int, count: int) -> None:
    """The first `count` verdicts once more, as the pieces that followed `shift` pieces later."""
    table, shift_ns = VERDICTS.c, shift * TAKT_NS
    changed = {
        "key": table.key + shift,
        "offset": table.offset + shift,
        "piece_id": table.piece_id + literal(f"-{shift}"),
        **{name: table[name] + shift_ns for name in ("entry_ns", "capture_ns", "publish_ns", "append_ns")},
        "day": (table.entry_ns + shift_ns) // (86_400 * NS),
    }
    names = [column.name for column in table]
    rows = select(*(changed.get(name, table[name]) for name in names)).where(table.key <= count)
    connection.execute(VERDICTS.insert().from_select(names, rows))
    for other in (VERDICT_SENSORS, VERDICT_BODIES) if shift < MAX_BODIES else (VERDICT_SENSORS,):
        names = [column.name for column in other.c]
        parts = [other.c.verdict_key + shift if name == "verdict_key" else other.c[name] for name in names]
        connection.execute(other.insert().from_select(names, select(*parts).where(other.c.verdict_key <= count)))


def paths(begin_ns: int, num_verdicts: int, all_hours: Sequence[int]) -> Iterator[tuple[str, str]]:
    end_s = (begin_ns + num_verdicts * TAKT_NS) // NS
    yield "pieces, newest", "/pieces"
    yield "pieces, a page in the middle", f"/pieces?before={num_verdicts // 2}"
    yield "pieces that failed at one station", "/pieces?decision=fail&station=drill"
    yield "pieces of one class and score", "/pieces?class=crack&score_from=0.9"
    yield "new pieces", f"/pieces/new?after={num_verdicts - 50}"
    yield "search of a piece", "/pieces/search?q=piece-0000012"
    yield "one piece", "/pieces/line-1/press/piece-0000012/0"
    yield "charts, the page", "/charts"
    for chart in ("yield", "defects", "classes", "scores", "latency", "sensors"):
        for hours in all_hours:
            span = f"since={iso(end_s - hours * 3600)}&until={iso(end_s)}"
            yield f"chart {chart}, {hours} h", f"/charts/{chart}.json?{span}"


def iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def report(client: TestClient, name: str, path: str) -> None:
    took_ms, size = [], 0
    for _ in range(NUM_CALLS):
        begun_s = time.perf_counter()
        answer = client.get(path)
        took_ms.append(1000 * (time.perf_counter() - begun_s))
        size = len(answer.content)
        if answer.status_code != 200:
            print(f"| {name} | {answer.status_code} | | |")
            return
    print(f"| {name} | {size:,} | {median(took_ms):.0f} | {max(took_ms):.0f} |", flush=True)


if __name__ == "__main__":
    main()
