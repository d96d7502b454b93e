"""Turns the alerts of recipes and settings into conditions, which open a chart for each place that they watch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from inspector.alerts.charts import Chart, CountChart, RateChart, ScoreChart
from inspector.alerts.place import Place
from inspector.alerts.seen import Seen
from inspector.alerts.settings import AlertSettings, Level
from inspector.recipe.alerts import CountAlert, Counted, RateAlert, RecipeAlert, ScoreAlert
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY, Recipes
from inspector.statistics.sequential_charts import BernoulliCusum, BernoulliReturn, Cusum, Ewma
from protos.inspection.v1.verdict_pb2 import Decision

OUTCOMES = {
    "not_pass": "did not pass",
    "fail": "are FAIL",
    "review": "are REVIEW",
    "deadline_missed": "were decided too late",
}
COUNTED_AMONG = 100
"""Pieces among which `AlertSettings` counts late verdicts and engine faults."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is watched, at every place where it applies."""

    name: str
    level: Level
    title: str
    """Describes the fault for people; the place is named separately."""
    design: str
    """Its settings: a chart's state is used again only with the same ones."""
    parts: Callable[[Seen], Iterable[str]]
    """Parts of the piece that are watched, each by a chart of its own; `("",)` for the piece as a whole, nothing where
    the condition does not apply."""
    open_chart: Callable[[str, str, bytes], Chart]
    """Takes the part, and the state and reference to continue with."""

    def places(self, seen: Seen) -> Iterable[Place]:
        return (Place(self.name, seen.line, seen.station, part) for part in self.parts(seen))


def conditions_of(recipes: Recipes, settings: AlertSettings) -> list[Condition]:
    """All conditions on verdicts."""
    of_recipes = [_of_recipe(recipes, recipe, alert) for recipe in recipes for alert in recipe.alerts]
    return [*of_recipes, *_of_service(settings)]


def _of_recipe(recipes: Recipes, recipe: Recipe, alert: RecipeAlert) -> Condition:
    def parts(seen: Seen) -> Sequence[str]:
        is_here = alert.station in (ANY, seen.station)
        applies = is_here and recipes.find(seen.line, seen.station, seen.product) is recipe
        return (part,) if applies else ()

    part = alert.sensor if isinstance(alert, ScoreAlert) else ""
    name, design = f"{recipe.name}/{alert.name}", alert.model_dump_json(exclude={"level"})
    return Condition(name, alert.level, _title(alert), design, parts, _opener(alert))


def _title(alert: RecipeAlert) -> str:
    match alert:
        case RateAlert():
            return f"{alert.name}: more pieces {_counted_words(alert)}"
        case CountAlert():
            return f"{alert.name}: {alert.num_bad} of {alert.num_pieces} pieces {_counted_words(alert)}"
        case ScoreAlert():
            return f"{alert.name}: the scores of {alert.sensor} have moved"


def _counted_words(alert: Counted) -> str:
    narrowed = [word for word in (alert.severity, alert.defect_class) if word]
    return f"{OUTCOMES[alert.outcome]} ({', '.join(narrowed)})" if narrowed else OUTCOMES[alert.outcome]


def _opener(alert: RecipeAlert) -> Callable[[str, str, bytes], Chart]:
    match alert:
        case RateAlert():
            return partial(_open_rate, alert)
        case CountAlert():
            is_bad = is_counted(alert)
            return lambda _, state, __: CountChart(alert.num_bad, alert.num_pieces, is_bad, state)
        case ScoreAlert():
            return partial(_open_score, alert)


def _open_rate(alert: RateAlert, _: str, state: str, __: bytes) -> Chart:
    cusum, back = rate_design(alert)
    return RateChart(cusum, back, is_counted(alert), state)


@cache
def rate_design(alert: RateAlert) -> tuple[BernoulliCusum, BernoulliReturn]:
    """Takes some milliseconds, once for each alert."""
    cusum = BernoulliCusum.designed(alert.before_percent / 100, alert.after_percent / 100, alert.pieces_between)
    return cusum, BernoulliReturn.designed(cusum, alert.pieces_between)


def _open_score(alert: ScoreAlert, part: str, state: str, reference: bytes) -> Chart:
    return ScoreChart(score_design(alert), part, alert.reference_pieces, state, reference)


@cache
def score_design(alert: ScoreAlert) -> Cusum | Ewma:
    """Takes some milliseconds, once for each alert."""
    if alert.chart == "cusum":
        return Cusum.designed(alert.shift_sd, alert.pieces_between)
    return Ewma.designed(alert.ewma_weight, alert.pieces_between)


def is_counted(alert: Counted) -> Callable[[Seen], bool]:
    def is_bad(seen: Seen) -> bool:
        matches = {
            "not_pass": not seen.is_pass,
            "fail": seen.decision == Decision.DECISION_FAIL,
            "review": seen.decision == Decision.DECISION_REVIEW,
            "deadline_missed": seen.is_late,
        }[alert.outcome]
        return matches and alert.defect_class in ("", seen.defect_class) and alert.severity in (None, seen.severity)

    return is_bad


def _of_service(settings: AlertSettings) -> list[Condition]:
    return [
        _counting("lag", "act_now", "pieces wait too long for their decision", 5, 10,
                  lambda seen: seen.wait_s > settings.max_wait_s),
        _counting("deadline", "look_later", "verdicts come after their deadline", settings.late_pieces, COUNTED_AMONG,
                  lambda seen: seen.is_late),
        _counting("engine-fault", "act_now", "an engine failed on pieces", settings.engine_faults, COUNTED_AMONG,
                  lambda seen: seen.is_engine_fault),
        _of_sensors("silent", "a camera or sensor gives nothing", settings.silent_pieces,
                    lambda sensor, seen: seen.sensors[sensor].is_silent),
        _of_sensors("stuck", "a camera or sensor repeats one recording", settings.stuck_pieces,
                    lambda sensor, seen: seen.sensors[sensor].is_stuck),
    ]  # fmt: skip


def _counting(
    name: str, level: Level, title: str, num_bad: int, num_pieces: int, is_bad: Callable[[Seen], bool]
) -> Condition:
    return Condition(
        name,
        level,
        title,
        f"{num_bad} of {num_pieces}",
        lambda seen: ("",),
        lambda _, state, __: CountChart(num_bad, num_pieces, is_bad, state),
    )


def _of_sensors(name: str, title: str, num_pieces: int, is_bad: Callable[[str, Seen], bool]) -> Condition:
    return Condition(
        name,
        "act_now",
        title,
        f"{num_pieces} in a row",
        lambda seen: seen.sensors,
        lambda part, state, _: CountChart(num_pieces, num_pieces, partial(is_bad, part), state),
    )
