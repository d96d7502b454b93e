"""The Charts page: yield, defect rate, classes, scores, latency and sensors over time; each mark opens its pieces."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.archive.chart_figures import ChartFigures
from inspector.archive.chart_rows import DecisionCount
from inspector.archive.find import Archive, NotInArchiveError
from inspector.archive.rows import MadeWhere, PieceFilter
from inspector.verdicts.follow import StoreError
from inspector.web import chart_data
from inspector.web.actions import needs
from inspector.web.archive_away import archive_of, away_page, charts_of
from inspector.web.chart_data import Spec, Station
from inspector.web.chart_range import DEFAULT, SPANS, ChartRange, read_range
from inspector.web.piece_words import local_input
from inspector.web.templating import render

TITLES = {
    "yield": "Yield",
    "defects": "Defect rate",
    "classes": "Classes",
    "scores": "Scores",
    "latency": "Latency",
    "sensors": "Sensors",
}
MAX_STATIONS = 24
"""Stations whose sensors are looked up, so that a sensor that was always there is shown too."""


@needs("figures.see")
def charts(request: Request) -> Response:
    chart = read_range(request.query_params)
    try:
        stations = archive_of(request).stations()
    except StoreError as error:
        return away_page(request, error)
    context = {
        "titles": TITLES,
        "fields": chart.fields,
        "problems": chart.problems,
        "is_own_time": bool(chart.fields["since"] or chart.fields["until"]),
        "times": {name: local_input(chart.fields[name]) for name in ("since", "until")},
        "spans": SPANS,
        "span": chart.fields["range"] if chart.fields["range"] in SPANS else DEFAULT,
        "choices": _choices(stations, chart.fields),
        "pieces": chart.pieces(),
    }
    return render(request, "charts.html", context, 400 if chart.problems else 200)


@needs("figures.see")
def chart_specs(request: Request) -> Response:
    """One chart as JSON: `newest_ms` is where the last pieces are, if there are none in this time."""
    name = request.path_params["chart"]
    if name not in SPECS:
        raise HTTPException(404, f"there is no chart {name!r}; there are {', '.join(TITLES)}")
    chart = read_range(request.query_params)
    try:
        figures = charts_of(request)
        specs = SPECS[name](archive_of(request), figures, chart)
        newest = _newest(figures, chart) if all(spec["is_empty"] for spec in specs) else None
        num_waiting = figures.num_waiting(chart.scope, chart.stretch)
    except StoreError as error:
        return JSONResponse({"error": f"The archive cannot be read at the moment: {error}"}, 503)
    return JSONResponse({"charts": specs, "newest_ms": newest, "num_waiting": num_waiting})


def _from_decisions(
    draw: Callable[[ChartRange, Sequence[DecisionCount]], Spec], _: Archive, figures: ChartFigures, chart: ChartRange
) -> list[Spec]:
    return [draw(chart, figures.decisions(chart.scope, chart.stretch))]


def _scores(_: Archive, figures: ChartFigures, chart: ChartRange) -> list[Spec]:
    counts = figures.scores(chart.scope, chart.stretch)
    return [chart_data.score_chart(chart, counts, figures.limits(chart.scope, chart.stretch))]


def _latency(_: Archive, figures: ChartFigures, chart: ChartRange) -> list[Spec]:
    num_pieces = sum(count.count for count in figures.pieces(chart.scope, chart.stretch))
    latencies = figures.latencies(chart.scope, chart.stretch, num_pieces)
    return [chart_data.latency_chart(chart, latencies, num_pieces)]


def _sensors(archive: Archive, figures: ChartFigures, chart: ChartRange) -> list[Spec]:
    pieces = figures.pieces(chart.scope, chart.stretch)
    stations = sorted({(count.line, count.station) for count in pieces})[:MAX_STATIONS]
    known = {station: _sensors_of(archive, station, chart) for station in stations}
    return chart_data.sensor_charts(chart, figures.sensors(chart.scope, chart.stretch), pieces, known)


def _sensors_of(archive: Archive, station: Station, chart: ChartRange) -> list[str]:
    """Cameras and sensors that the newest verdict of a station names."""
    in_stretch = PieceFilter(*station, since_ns=chart.stretch.since_ns, until_ns=chart.stretch.until_ns)
    try:
        return [
            modality.name
            for row in archive.find(in_stretch, None, 1)
            for modality in archive.verdict(row.key).modalities
        ]
    except NotInArchiveError:
        return []


Make = Callable[[Archive, ChartFigures, ChartRange], list[Spec]]
SPECS: Mapping[str, Make] = {
    "yield": partial(_from_decisions, chart_data.yield_chart),
    "defects": partial(_from_decisions, chart_data.defect_chart),
    "classes": partial(_from_decisions, chart_data.pareto_chart),
    "scores": _scores,
    "latency": _latency,
    "sensors": _sensors,
}


def _newest(figures: ChartFigures, chart: ChartRange) -> float | None:
    newest_ns = figures.newest_ns(chart.scope)
    return None if newest_ns is None else newest_ns / 10**6


def _choices(stations: Sequence[MadeWhere], fields: Mapping[str, str]) -> dict[str, list[str]]:
    columns = {
        "line": [station.line for station in stations],
        "station": [station.station for station in stations],
        "product": [station.product for station in stations],
    }
    return {name: sorted({*values, fields[name]} - {""}) for name, values in columns.items()}


routes = [
    Route("/charts", charts),
    Route("/charts/{chart}.json", chart_specs),
]
