"""Says in words how soon a recipe's charts find their changes: run lengths as times at the takt of the station."""

from collections.abc import Iterator

from inspector.alerts.conditions import rate_design, score_design
from inspector.recipe.alerts import RateAlert, ScoreAlert
from inspector.recipe.recipe import Recipe


def speeds_of(recipe: Recipe) -> Iterator[str]:
    """A sentence for each chart. Counting rules have no run length of their own: it depends on the line."""
    for alert in recipe.alerts:
        if isinstance(alert, RateAlert):
            yield f"{recipe.name}/{alert.name}: {rate_speed(alert)}"
        elif isinstance(alert, ScoreAlert):
            yield f"{recipe.name}/{alert.name}: {score_speed(alert)}"


def rate_speed(alert: RateAlert) -> str:
    cusum, _ = rate_design(alert)
    before, after = alert.before_percent / 100, alert.after_percent / 100
    to_detect, to_false_alarm = cusum.mean_pieces(after), cusum.mean_pieces(before)
    return (
        f"{alert.before_percent:g} -> {alert.after_percent:g} % is found after {to_detect:.0f} pieces, "
        f"{time_words(to_detect * alert.takt_s)}, on average; a false alarm every "
        f"{time_words(to_false_alarm * alert.takt_s)} at {alert.before_percent:g} %, for each station"
    )


def score_speed(alert: ScoreAlert) -> str:
    design = score_design(alert)
    to_detect, to_false_alarm = design.mean_pieces(alert.shift_sd), design.mean_pieces(0.0)
    return (
        f"a shift of {alert.shift_sd:g} standard deviations of {alert.sensor} is found after {to_detect:.0f} pieces, "
        f"{time_words(to_detect * alert.takt_s)}, on average; a false alarm every "
        f"{time_words(to_false_alarm * alert.takt_s)}, for each station"
    )


def time_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
