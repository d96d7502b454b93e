"""Defines the alerts of a recipe: conditions over several verdicts of one station, which people should hear of.

Charts say how often they are wrong as a time between false alarms, at the station's takt.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspector.recipe.defects import Severity
from inspector.statistics.sequential_charts import rise_for

Level = Literal["act_now", "look_later"]
Outcome = Literal["not_pass", "fail", "review", "deadline_missed"]
Percent = Annotated[float, Field(gt=0, lt=100)]
AlertName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]


class AlertTable(BaseModel):
    """What all alerts have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: AlertName
    """Unique in the recipe; part of the alert's identity: another name is another alert."""
    level: Level = "act_now"
    """`act_now`: somebody goes to the line; `look_later`: somebody looks before the next shift."""
    station: AlertName | Literal["*"] = "*"
    """Station that is watched; `*`: each station of the recipe by itself."""


class Counted(AlertTable):
    """Which verdicts are counted."""

    outcome: Outcome = "not_pass"
    """Verdicts that count: all that are not PASS, FAIL alone, REVIEW alone, or verdicts that came too late."""
    defect_class: str = Field(default="", max_length=128)
    """Counts only pieces with this likeliest defect class; empty: with any."""
    severity: Severity | None = None
    """Counts only pieces whose named defects have this severity in `[defects]`, the highest of several; None: with
    any."""


class Timed(BaseModel):
    """How often a chart may be wrong."""

    takt_s: float = Field(gt=0, le=86_400)
    """Time from piece to piece at one station while the line runs."""
    hours_between_false_alarms: float = Field(default=8.0, gt=0, le=8760)
    """Mean time of running to a false alarm, for each station: 8 is one in a shift."""

    @property
    def pieces_between(self) -> float:
        """The same time in pieces."""
        return max(2.0, self.hours_between_false_alarms * 3600.0 / self.takt_s)


class RateAlert(Counted, Timed):
    """The share of bad pieces has grown: a Bernoulli CUSUM, which finds it as early as the false alarms allow."""

    kind: Literal["rate"]
    """Chooses this alert."""
    before_percent: Percent
    """Share that is usual and needs no alert, in percent."""
    after_percent: Percent
    """Share that must be found, in percent."""

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        try:
            rise_for(self.before_percent / 100.0, self.after_percent / 100.0)
        except ValueError as exc:
            raise ValueError(
                f"before_percent = {self.before_percent:g} and after_percent = {self.after_percent:g} cannot be told "
                "apart by a chart; set after_percent higher, at least about twice before_percent"
            ) from exc
        return self


class CountAlert(Counted):
    """So many bad pieces among the last ones: a plain rule, for causes that show at once, such as a broken tool."""

    kind: Literal["count"]
    """Chooses this alert."""
    num_bad: int = Field(ge=1, le=1000)
    """Bad pieces that raise the alert."""
    num_pieces: int = Field(ge=1, le=10_000)
    """Among so many of the last pieces. The alert ends when at most half of `num_bad` are left."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.num_bad > self.num_pieces:
            raise ValueError(
                f"num_bad = {self.num_bad} of num_pieces = {self.num_pieces} can never be; raise num_pieces"
            )
        return self


class ScoreAlert(AlertTable, Timed):
    """The scores of one camera or sensor have moved, before decisions change: a worn tool, a loose sensor, a lamp."""

    kind: Literal["score"]
    """Chooses this alert."""
    sensor: AlertName
    """Name of the camera or sensor."""
    chart: Literal["cusum", "ewma"] = "cusum"
    """`cusum`: earliest for a shift of the size given; `ewma`: for slow drifts of unknown size."""
    shift_sd: float = Field(default=1.0, ge=0.1, le=5)
    """Shift that the CUSUM finds earliest, in standard deviations of the scores' usual spread."""
    ewma_weight: float = Field(default=0.1, gt=0, le=1)
    """Weight of the newest score in the EWMA."""
    reference_pieces: int = Field(default=1000, ge=100, le=10_000)
    """Scores that say what is usual: the first ones of each bundle at a station. No alert comes before these."""


RecipeAlert = Annotated[RateAlert | CountAlert | ScoreAlert, Field(discriminator="kind")]
