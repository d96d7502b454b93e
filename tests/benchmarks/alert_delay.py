"""How soon alerts find a change, and how often they are wrong: simulated pieces through the product's charts.

python -m tests.benchmarks.alert_delay [--quick]
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.alerts.charts import RateChart, ScoreChart
from inspector.alerts.conditions import is_counted, rate_design, score_design
from inspector.alerts.seen import Seen, Sensor
from inspector.recipe.alerts import RateAlert, ScoreAlert
from inspector.statistics.sequential_charts import BernoulliCusum
from protos.inspection.v1.verdict_pb2 import Decision
from streams.records import TopicPartition

PER_S = 12.0
HOURS = 8.0
SHIFT = round(HOURS * 3600 * PER_S)
RATES = ((2.0, 6.0, 25.0), (0.5, 2.0, 45.0))
"""Percent before and after, and the seconds within which the change is to be found."""
WINDOWS = (25, 50, 100, 200, 400, 800)
"""Of the fixed rules `n in m`; the best one is shown."""
SD_SHIFTS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    num_changes: int
    num_shifts: int
    num_score_shifts: int


FULL, QUICK = Size(2000, 400, 12), Size(200, 20, 2)


def seen(is_defect: bool = False, score: float = 0.0) -> Seen:
    decision = Decision.DECISION_FAIL if is_defect else Decision.DECISION_PASS
    sensors = {"mic": Sensor(is_silent=False, is_stuck=False, score=score)}
    return Seen(TopicPartition("t", 0), 0, 0, "a", "s", "", "1", decision, "", "", "b", False, False, 0.0, sensors)


GOOD, BAD = seen(), seen(is_defect=True)


def rate_alert(before: float, after: float) -> RateAlert:
    return RateAlert(
        kind="rate",
        name="defects",
        before_percent=before,
        after_percent=after,
        takt_s=1 / PER_S,
        hours_between_false_alarms=HOURS,
    )


def delay_from_start(alert: RateAlert, draws: np.random.Generator, warm_up: int) -> int:
    """Pieces from the change to the alert, through the product's chart, after `warm_up` pieces without a change."""
    cusum, back = rate_design(alert)
    while True:
        chart = RateChart(cusum, back, is_counted(alert))
        usual = draws.random(warm_up) < alert.before_percent / 100
        if not any(chart.step(BAD if is_bad else GOOD) for is_bad in usual):
            break
    count = 0
    while True:
        count += 1
        if chart.step(BAD if draws.random() < alert.after_percent / 100 else GOOD) is not None:
            return count


def defect_positions(share: float, num_pieces: int, draws: np.random.Generator) -> NDArray[np.int64]:
    """Running numbers of the bad pieces."""
    expected = num_pieces * share
    gaps = draws.geometric(share, round(expected + 10 * math.sqrt(expected) + 100))
    positions = np.cumsum(gaps)
    return positions[positions < num_pieces]


def false_alarms(chart: BernoulliCusum, positions: Sequence[int]) -> int:
    """Signals of the chart, which starts again after each: from one bad piece to the next, its sum only falls."""
    total, last, alarms = 0, 0, 0
    for position in positions:
        total = max(0, total - (position - last - 1)) + chart.rise
        last = position
        if total >= chart.limit:
            total, alarms = 0, alarms + 1
    return alarms


def rule_alarms(num_bad: int, window: int, positions: NDArray[np.int64]) -> int:
    """Signals of `num_bad` in `window`, which starts again after each."""
    if len(positions) < num_bad:
        return 0
    hits = np.flatnonzero(positions[num_bad - 1 :] - positions[: len(positions) - num_bad + 1] < window) + num_bad - 1
    alarms, free = 0, 0
    for hit in hits.tolist():
        if hit - num_bad + 1 >= free:
            alarms, free = alarms + 1, hit + 1
    return alarms


def best_rule(before: float, after: float, size: Size, draws: np.random.Generator) -> tuple[int, int, float]:
    """The fixed rule with the shortest delay among those that raise at most one false alarm per shift: bad pieces,
    window, mean delay in pieces."""
    usual = defect_positions(before / 100, SHIFT * size.num_shifts, draws)
    rules = []
    for window in WINDOWS:
        num_bad = 2
        while rule_alarms(num_bad, window, usual) > size.num_shifts:
            num_bad += 1
        rules.append((num_bad, window, rule_delay(num_bad, window, after / 100, size, draws)))
    return min(rules, key=lambda rule: rule[2])


def rule_delay(num_bad: int, window: int, share: float, size: Size, draws: np.random.Generator) -> float:
    delays = []
    for _ in range(size.num_changes):
        recent = list[int]()
        position = 0
        while True:
            position += int(draws.geometric(share))
            recent = [each for each in recent if position - each < window] + [position]
            if len(recent) >= num_bad:
                break
        delays.append(position)
    return float(np.mean(delays))


def interval(count: int) -> tuple[float, float]:
    """95 % of a Poisson count, exactly (Garwood), by the chi-square approximation of Wilson and Hilferty."""

    def bound(shape: float, z: float) -> float:
        return shape * (1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3

    return (bound(count, -1.96) if count else 0.0, bound(count + 1, 1.96))


def mean_and_margin(values: Sequence[int]) -> tuple[float, float]:
    return float(np.mean(values)), float(1.96 * np.std(values) / math.sqrt(len(values)))


def rate_lines(size: Size, draws: np.random.Generator) -> Iterator[str]:
    yield (
        "| change | limit | found after, computed | from rest, simulated | in operation | wanted | "
        "false alarms per shift | best fixed rule | it needs |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for before, after, wanted_s in RATES:
        alert = rate_alert(before, after)
        cusum, _ = rate_design(alert)
        computed = cusum.mean_pieces(after / 100)
        mean, margin = mean_and_margin([delay_from_start(alert, draws, 0) for _ in range(size.num_changes)])
        running, _ = mean_and_margin([delay_from_start(alert, draws, 500) for _ in range(size.num_changes // 4)])
        count = false_alarms(cusum, defect_positions(before / 100, SHIFT * size.num_shifts, draws).tolist())
        low, high = interval(count)
        num_bad, window, rule = best_rule(before, after, size, draws)
        yield (
            f"| {before:g} -> {after:g} % | {cusum.limit} | {computed:.0f} pieces, {computed / PER_S:.1f} s | "
            f"{mean:.0f} ± {margin:.0f} pieces, {mean / PER_S:.1f} s ({mean / computed - 1:+.1%}) | "
            f"{running / PER_S:.1f} s | {wanted_s:g} s | "
            f"{count / size.num_shifts:.2f} [{low / size.num_shifts:.2f}, {high / size.num_shifts:.2f}] in "
            f"{size.num_shifts} shifts, computed {SHIFT / cusum.mean_pieces(before / 100):.2f} | "
            f"{num_bad} in {window} | {rule / PER_S:.1f} s ({rule / mean - 1:+.0%}) |"
        )


def score_alert(chart: str, num_reference: int) -> ScoreAlert:
    return ScoreAlert.model_validate(
        {
            "kind": "score",
            "name": "worn",
            "sensor": "mic",
            "chart": chart,
            "takt_s": 1 / PER_S,
            "hours_between_false_alarms": HOURS,
            "reference_pieces": num_reference,
        }
    )


def opened(alert: ScoreAlert, draws: np.random.Generator) -> ScoreChart:
    """A chart that has learnt what is usual: scores like those of a detector, most of them low, a few high."""
    chart = ScoreChart(score_design(alert), "mic", alert.reference_pieces)
    for value in draws.normal(size=alert.reference_pieces):
        chart.step(seen(score=squeezed(value)))
    return chart


def squeezed(value: float) -> float:
    """Between 0 and 1, and far from normal."""
    return 1.0 / (1.0 + math.exp(3.0 - value))


def score_delay(alert: ScoreAlert, shift: float, draws: np.random.Generator) -> int:
    chart, count = opened(alert, draws), 0
    while True:
        count += 1
        if chart.step(seen(score=squeezed(draws.normal(shift)))) is not None:
            return count


def score_alarms(alert: ScoreAlert, draws: np.random.Generator) -> int:
    """Alerts of a shift without a change."""
    chart = opened(alert, draws)
    signals = (chart.step(seen(score=squeezed(value))) for value in draws.normal(size=SHIFT))
    return sum(signal is not None and signal.is_raised for signal in signals)


def score_lines(size: Size, draws: np.random.Generator) -> Iterator[str]:
    yield "| chart | reference | shift | found after, computed | simulated | false alarms per shift |"
    yield "|---|---|---|---|---|---|"
    for name, num_reference in (("cusum", 1000), ("cusum", 5000), ("ewma", 1000), ("ewma", 5000)):
        alert = score_alert(name, num_reference)
        design = score_design(alert)
        alarms = [score_alarms(alert, draws) for _ in range(size.num_score_shifts)]
        low, high = interval(sum(alarms))
        for shift in SD_SHIFTS:
            mean, margin = mean_and_margin([score_delay(alert, shift, draws) for _ in range(size.num_changes // 20)])
            computed = design.mean_pieces(shift)
            yield (
                f"| {name} | {num_reference} pieces | {shift:g} sd | {computed:.1f} pieces | "
                f"{mean:.1f} ± {margin:.1f} | "
                f"{np.mean(alarms):.2f} [{low / len(alarms):.2f}, {high / len(alarms):.2f}] in {len(alarms)} shifts |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="simulate a twentieth")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    print(f"{PER_S:g} pieces a second at one station; one false alarm per {HOURS:g}-hour shift ({SHIFT:,} pieces).\n")
    for lines in (rate_lines(size, np.random.default_rng(options.seed)), score_lines(size, np.random.default_rng(2))):
        for line in lines:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
