"""Times what the page's charts ask of an archive, for each chart, stretch of time and choice of pieces."""

import random
import time
from collections.abc import Iterator

from starlette.datastructures import QueryParams

from inspector.archive.chart_figures import ChartFigures, is_counted
from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceFilter
from inspector.web.chart_range import SPANS, ChartRange, read_range
from inspector.web.pages.charts import SPECS
from tests.benchmarks.archive_fill import BUNDLE_PIECES, LOT_PIECES, STARTED_NS

SLOW_MS = 1000


def chart_queries(database: Database, seed: int, repeats: int = 3) -> Iterator[dict[str, object]]:
    """Each chart's slowest stretch and choice; then all that take more than a second."""
    archive, figures, draw = Archive(database), ChartFigures(database), random.Random(seed)
    slow = []
    for chart in (*SPECS, "newest"):
        times = [
            {"chart": chart, "of": name, "ms": round(_time_ms(archive, figures, chart, shown, repeats)),
             "from": "counts" if is_counted(shown.scope, shown.stretch) else "verdicts"}
            for name, shown in _ranges(archive, draw)
        ]  # fmt: skip
        yield {**max(times, key=lambda row: row["ms"]), "is": f"the slowest of {len(times)}"}  # type: ignore[arg-type,return-value]
        slow += [row for row in times if row["ms"] > SLOW_MS]  # type: ignore[operator]
    yield {"charts above a second": slow}


def _time_ms(archive: Archive, figures: ChartFigures, chart: str, shown: ChartRange, repeats: int) -> float:
    """The middle one of some times."""
    times_ms = []
    for _ in range(repeats):
        begin_s = time.perf_counter()
        if chart == "newest":
            figures.newest_ns(shown.scope)
        else:
            SPECS[chart](archive, figures, shown)
        times_ms.append((time.perf_counter() - begin_s) * 1000)
    return sorted(times_ms)[repeats // 2]


def _ranges(archive: Archive, draw: random.Random) -> Iterator[tuple[str, ChartRange]]:
    station = draw.choice(archive.stations())
    newest = archive.find(PieceFilter(), limit=1)[0].key
    scopes = {
        "all": {},
        "a line": {"line": station.line},
        "a station": {"line": station.line, "station": station.station},
        "a station without its line": {"station": station.station},
        "an unknown station": {"station": "unknown"},
        "a product": {"product": station.product},
        "a bundle": {"bundle": f"digest-{newest // BUNDLE_PIECES}"},
        "a lot": {"lot": f"lot-{newest // LOT_PIECES - 2}"},
    }
    for name, fields in scopes.items():
        for span in SPANS:
            yield f"{name}, {span}", read_range(QueryParams({**fields, "range": span}), STARTED_NS)
        yield f"{name}, 3h 50min", read_range(QueryParams({**fields, **_LONGEST_UNCOUNTED}), STARTED_NS)


def _moment(before_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(STARTED_NS / 1e9 - before_s))


_LONGEST_UNCOUNTED = {"since": _moment(86_400 + 13_800), "until": _moment(86_400)}
