"""Turns counts of the archive into input of the chart modules: figures, words for each mark, the pieces behind it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from inspector.archive.chart_counts import NUM_SCORE_BINS
from inspector.archive.chart_figures import is_counted
from inspector.archive.chart_rows import DecisionCount, LatencyCount, Limits, ScoreCount, SensorCount, StationCount
from inspector.statistics.control_chart import ControlChart, Subgroup, control_chart
from inspector.statistics.control_chart import Limits as ControlLimits
from inspector.web.chart_range import ChartRange
from protos.inspection.v1.verdict_pb2 import Decision, ModalityState

Spec = dict[str, object]
"""One chart as JSON; `kind` names the module that draws it."""

NOTHING_MORE: Mapping[str, str] = {}
NS_PER_MS = 10**6
MAX_BARS = 10
MAX_SENSORS = 24
PERCENTILES = (0.5, 0.95, 0.99)
SENSOR_PARTS = ("present", "missing", "stale", "implausible")
_STATES: Mapping[int, int] = {
    ModalityState.MODALITY_STATE_MISSING: 1,
    ModalityState.MODALITY_STATE_STALE: 2,
    ModalityState.MODALITY_STATE_IMPLAUSIBLE: 3,
}
Station = tuple[str, str]


def yield_chart(chart: ChartRange, counts: Sequence[DecisionCount]) -> Spec:
    """Share of pieces that passed."""
    total, passed = _by_step(chart, counts), _by_step(chart, counts, Decision.DECISION_PASS)
    points = [
        _share_point(chart, step, passed[step], pieces, f"{passed[step]:,} of {pieces:,} passed", NOTHING_MORE)
        for step, pieces in enumerate(total)
    ]
    review = _by_step(chart, counts, Decision.DECISION_REVIEW)
    summary = (
        f"{_percent(sum(passed), sum(total))} of {sum(total):,} pieces passed at once, "
        f"{_percent(sum(review), sum(total))} went to a person."
    )
    return _trend(chart, "Yield", summary, "share", [{"name": "passed", "points": points}])


def defect_chart(chart: ChartRange, counts: Sequence[DecisionCount]) -> Spec:
    """Share of pieces that failed, with control limits from the same stretch."""
    total, failed = _by_step(chart, counts), _by_step(chart, counts, Decision.DECISION_FAIL)
    control = control_chart([Subgroup(*pair) for pair in zip(total, failed, strict=True)])
    points, limits = [], []
    for step, limit in enumerate(control.limits):
        words = f"{failed[step]:,} of {total[step]:,} failed{_verdict_on(limit, failed[step], total[step])}"
        point = _share_point(chart, step, failed[step], total[step], words, {"decision": "fail"})
        points.append(point | {"flagged": bool(limit and limit.out_of_control)})
        if limit is not None:
            limits.append({"at_ms": point["at_ms"], "low": limit.low, "centre": limit.centre, "high": limit.high})
    spec = _trend(chart, "Defect rate", _defect_summary(control), "share", [{"name": "failed", "points": points}])
    return spec | {"limits": limits}


def pareto_chart(chart: ChartRange, counts: Iterable[DecisionCount]) -> Spec:
    """Pieces that did not pass, by their likeliest class."""
    by_class: Counter[str] = Counter()
    for row in counts:
        if row.decision != Decision.DECISION_PASS:
            by_class[row.defect_class] += row.count
    total, running, bars = sum(by_class.values()), 0, []
    for name, count in by_class.most_common(MAX_BARS):
        running += count
        shown = name or "no class"
        bars.append({
            "name": shown, "count": count, "share": count / total, "running": running / total,
            "text": f"{shown}: {count:,} pieces, {_percent(count, total)}",
            "href": chart.pieces({"class": name}) if name else None,
        })  # fmt: skip
    rest = f"; {total - running:,} of rarer classes are not drawn" if running < total else ""
    line = "The dashed line adds their shares up to 100 %."
    summary = f"{total:,} pieces did not pass, by their likeliest class{rest}. {line}"
    return {"kind": "pareto", "title": "Classes", "summary": summary, "bars": bars, "is_empty": not total}


def score_chart(chart: ChartRange, counts: Iterable[ScoreCount], limits: Sequence[Limits]) -> Spec:
    """How often which score; both limits as lines where all pieces were judged by the same ones."""
    by_bin: Counter[int] = Counter()
    for count in counts:
        by_bin[count.bin] += count.count
    bins = [_bin(chart, index, by_bin[index]) for index in range(NUM_SCORE_BINS)]
    marks = [
        {"at": at, "name": f"{name} {at:.3g}"}
        for limit in limits[:1]
        for at, name in ((limit.pass_below, "passes below"), (limit.fail_above, "fails above"))
    ]
    several = " Not all had the same limits (another product or bundle, or a sensor less); those of most are drawn."
    summary = f"Scores of {by_bin.total():,} pieces.{several if len(limits) > 1 else ''}"
    return {"kind": "histogram", "title": "Scores", "summary": summary, "bins": bins, "marks": marks,
            "is_empty": not by_bin}  # fmt: skip


def latency_chart(chart: ChartRange, latencies: Iterable[LatencyCount], num_pieces: int) -> Spec:
    """From capture to publication: the middle, and how late the slowest pieces were."""
    by_step: list[Counter[float]] = [Counter() for _ in range(chart.stretch.num_steps)]
    for latency in latencies:
        by_step[latency.step][latency.milliseconds] += latency.count
    series: list[Spec] = []
    for share in PERCENTILES:
        name = f"p{share * 100:.0f}"
        values = enumerate(_quantile(counts, share) for counts in by_step)
        points = [_point(chart, step, value, f"{name} {value or 0:,.1f} ms", NOTHING_MORE) for step, value in values]
        series.append({"name": name, "points": points})
    everything = Counter[float]()
    for counts in by_step:
        everything.update(counts)
    middle, slow = _quantile(everything, 0.5) or 0, _quantile(everything, 0.95) or 0
    summary = (
        f"Half of {num_pieces:,} pieces had their verdict {middle:,.0f} ms after capture, 95 % of them "
        f"{slow:,.0f} ms after it{_exactness(chart, everything.total(), num_pieces)}."
    )
    return _trend(chart, "Latency", summary, "ms", series)


def _exactness(chart: ChartRange, num_read: int, num_pieces: int) -> str:
    if is_counted(chart.scope, chart.stretch):
        return ", to within 5 %"
    return f", from a sample of {num_read:,}" if num_read < num_pieces else ""


def sensor_charts(chart: ChartRange, counts: Iterable[SensorCount], pieces: Iterable[StationCount],
                  known: Mapping[Station, Sequence[str]]) -> list[Spec]:  # fmt: skip
    """One chart for each sensor, the worst first. `known` names sensors of each station, with those always present."""
    totals = {(count.line, count.station, count.step): count.count for count in pieces}
    lost: dict[tuple[str, str, str], Counter[tuple[int, int]]] = defaultdict(Counter)
    for count in counts:
        lost[count.line, count.station, count.sensor][count.step, _STATES.get(count.state, 1)] += count.count
    for (line, station), sensors in known.items():
        for sensor in sensors:
            lost.setdefault((line, station, sensor), Counter())
    worst = sorted(lost, key=lambda name: (-lost[name].total(), name))[:MAX_SENSORS]
    return [_sensor_chart(chart, name, lost[name], totals) for name in worst]


def _sensor_chart(chart: ChartRange, name: tuple[str, str, str], lost: Mapping[tuple[int, int], int],
                  totals: Mapping[tuple[str, str, int], int]) -> Spec:  # fmt: skip
    line, station, sensor = name
    rows, num_pieces, num_lost = [], 0, 0
    for step in range(chart.stretch.num_steps):
        if not (total := totals.get((line, station, step), 0)):
            continue
        absent = [min(lost.get((step, part), 0), total) for part in range(1, len(SENSOR_PARTS))]
        shares = [max(total - sum(absent), 0) / total, *(count / total for count in absent)]
        words = ", ".join(
            f"{part} {100 * share:.1f} %" for part, share in zip(SENSOR_PARTS, shares, strict=True) if share
        )
        rows.append({"at_ms": _at_ms(chart, step), "shares": shares, "text": f"{words} of {total:,} pieces",
                     "href": chart.step_pieces(step, {"line": line, "station": station})})  # fmt: skip
        num_pieces, num_lost = num_pieces + total, num_lost + sum(absent)
    summary = f"Not usable for {num_lost:,} of {num_pieces:,} pieces ({_percent(num_lost, num_pieces)})."
    step_ms = chart.stretch.step_ns / NS_PER_MS
    return {"kind": "shares", "title": f"{sensor} at {line} / {station}", "summary": summary, "parts": SENSOR_PARTS,
            "rows": rows, "is_empty": not rows, "step_ms": step_ms, **_ends(chart)}  # fmt: skip


def _by_step(chart: ChartRange, counts: Iterable[DecisionCount], decision: int | None = None) -> list[int]:
    sums = [0] * chart.stretch.num_steps
    for count in counts:
        if decision is None or count.decision == decision:
            sums[count.step] += count.count
    return sums


def _trend(chart: ChartRange, title: str, summary: str, unit: str, series: Sequence[Spec]) -> Spec:
    lines = [curve["points"] for curve in series]
    is_empty = not any(point["value"] is not None for line in lines if isinstance(line, list) for point in line)
    return {"kind": "trend", "title": title, "summary": summary, "unit": unit, "series": series,
            "is_empty": is_empty, **_ends(chart)}  # fmt: skip


def _ends(chart: ChartRange) -> Spec:
    return {"from_ms": chart.stretch.since_ns / NS_PER_MS, "to_ms": chart.stretch.until_ns / NS_PER_MS}


def _at_ms(chart: ChartRange, step: int) -> float:
    return chart.stretch.start_ns(step) / NS_PER_MS


def _point(chart: ChartRange, step: int, value: float | None, text: str, more: Mapping[str, str]) -> Spec:
    return {"at_ms": _at_ms(chart, step), "value": value, "text": text, "href": chart.step_pieces(step, more)}


def _share_point(chart: ChartRange, step: int, part: int, total: int, words: str, more: Mapping[str, str]) -> Spec:
    share = part / total if total else None
    return _point(chart, step, share, f"{_percent(part, total)}, {words}", more)


def _bin(chart: ChartRange, index: int, count: int) -> Spec:
    low, high = index / NUM_SCORE_BINS, (index + 1) / NUM_SCORE_BINS
    href = chart.pieces({"score_from": f"{low:.6g}", "score_to": f"{high:.6g}"})
    return {"low": low, "high": high, "count": count, "href": href,
            "text": f"score {low:.3g} to {high:.3g}: {count:,} pieces"}  # fmt: skip


def _verdict_on(limit: ControlLimits | None, failed: int, total: int) -> str:
    if limit is None or not limit.out_of_control:
        return ""
    return ", above the upper limit" if failed > limit.centre * total else ", below the lower limit"


def _defect_summary(control: ControlChart) -> str:
    outside = sum(limit is not None and limit.out_of_control for limit in control.limits)
    how = (
        "chance alone"
        if control.spread < 1.05
        else f"a spread {control.spread:.1f} times that of chance (Laney's p' chart)"
    )
    points = {0: "No point is", 1: "One point is"}.get(outside, f"{outside} points are")
    mean = f"Mean {100 * control.centre:.2f} % FAIL."
    return f"{mean} {points} outside the control limits: three standard deviations of {how}."


def _percent(part: int, total: int) -> str:
    return f"{part / total:.2%}".replace("%", " %") if total else "no pieces"


def _quantile(counts: Counter[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed."""
    rest = counts.total() * share
    for value in sorted(counts):
        rest -= counts[value]
        if rest <= 0:
            return value
    return None
