"""The questions to the figures of charts, and the counts in their answers."""

from dataclasses import dataclass

MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in equal steps, by the moment of entry in nanoseconds since the Unix epoch."""

    since_ns: int
    step_ns: int
    num_steps: int

    def __post_init__(self) -> None:
        if not 0 < self.num_steps <= MAX_STEPS or self.step_ns <= 0:
            raise ValueError(f"{self.num_steps} steps of {self.step_ns} ns, expected 1 to {MAX_STEPS} longer than 0")

    @property
    def until_ns(self) -> int:
        return self.since_ns + self.num_steps * self.step_ns

    def start_ns(self, step: int) -> int:
        return self.since_ns + step * self.step_ns


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose pieces a chart is about; None lets all through."""

    line: str | None = None
    station: str | None = None
    product: str | None = None
    lot: str | None = None
    bundle_digest: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How many pieces of one step had this decision and class."""

    step: int
    decision: int
    defect_class: str
    count: int


@dataclass(frozen=True, slots=True)
class ScoreCount:
    """How many scores lie in the bin from `bin / NUM_SCORE_BINS` on."""

    bin: int
    count: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Two limits that pieces were judged by, and how many were."""

    pass_below: float
    fail_above: float
    count: int


@dataclass(frozen=True, slots=True)
class LatencyCount:
    """How many pieces of one step had their verdict after this time from capture to publication."""

    step: int
    milliseconds: float
    count: int


@dataclass(frozen=True, slots=True)
class SensorCount:
    """How many pieces of one step lacked this sensor of a station, by the sensor's state."""

    step: int
    line: str
    station: str
    sensor: str
    state: int
    count: int


@dataclass(frozen=True, slots=True)
class StationCount:
    """Pieces of one step at a station."""

    step: int
    line: str
    station: str
    count: int
