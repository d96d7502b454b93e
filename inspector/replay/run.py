"""Fits pieces to a service's recipe and line, and publishes them there in time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.load import load
from inspector.config.service import Service
from inspector.recipe.recipe import Recipe
from inspector.replay.faults import NS, PERFECT, Faults
from inspector.replay.line import LineSettings, line_records
from inspector.replay.pacing import Clock, Published, publish_paced
from inspector.replay.pieces import PieceSource
from inspector.replay.plan import Plan, PlanError, plan
from streams.log import Publisher
from streams.records import Output

_SOON_S = 0.6
"""The first piece enters this long after the start, so that the sensors are heard before it."""


@dataclass(frozen=True, slots=True)
class Request:
    """How to publish."""

    rate_hz: float = 12.0
    line: str | None = None
    """None takes the configuration's first line."""
    recipe: str | None = None
    """None takes the one recipe that names the pieces' cameras and sensors."""
    stations: int = 1
    """At least this many; more where windows would overlap."""
    chunk_s: float = 0.1
    pass_number: int = 0
    faults: Faults = PERFECT
    truth: Path | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything decided before the first record."""

    source: PieceSource
    recipe: Recipe
    plan: Plan
    settings: LineSettings
    faults: Faults

    def publish(
        self, publisher: Publisher, clock: Clock, progress: Callable[[Output], None] | None = None
    ) -> Published:
        """Publishes all records at their moments. Raises LogFullError, and what reading the pieces raises."""
        records = line_records(self.source, self.recipe.assembly, self.plan, self.settings, self.faults)
        return publish_paced(records, publisher, clock, progress)


def prepare(source: PieceSource, service: Service, request: Request, now_ns: int) -> Run:
    """Decides stations and times. The truth follows the good classes of the recipe's bundle. Raises PlanError, and
    BundleError where a truth is asked for."""
    line = request.line or service.config.lines[0]
    recipe = _recipe(service, line, request.recipe, source.modalities)
    schedule = plan(len(source), request.rate_hz, recipe.assembly, request.stations)
    settings = LineSettings(
        topics=service.config.topics(line),
        stations=_stations(recipe, schedule),
        product="part" if recipe.product == "*" else recipe.product,
        base_ns=now_ns + round(_SOON_S * NS),
        chunk_s=request.chunk_s,
        stream_id=f"replay-{now_ns}",
        pass_number=request.pass_number,
        truth=request.truth,
    )
    _check_found(service, line, recipe, settings)
    if request.truth is not None:
        source = source.as_trained(load(recipe.bundle).schema.provenance)
    return Run(source, recipe, schedule, settings, request.faults)


def _recipe(service: Service, line: str, name: str | None, modalities: frozenset[str]) -> Recipe:
    """The recipe of that name, or the only one of the line that names all that the pieces bring."""
    if line not in service.config.lines:
        raise PlanError(f"line {line!r} is none of {list(service.config.lines)}; name one of them")
    fitting = [
        recipe
        for recipe in service.recipes
        if recipe.line in ("*", line) and name in (None, recipe.name) and modalities <= recipe.kinds.keys()
    ]
    if len(fitting) != 1:
        names = ", ".join(recipe.name for recipe in fitting) or "none"
        raise PlanError(
            f"the pieces bring {', '.join(sorted(modalities))}; recipes of line {line!r} that name all of them: "
            f"{names}; expected exactly one: choose with --recipe, or name cameras and sensors as the data set does"
        )
    return fitting[0]


def _stations(recipe: Recipe, schedule: Plan) -> tuple[str, ...]:
    if recipe.station == "*":
        return tuple(f"station-{number + 1}" for number in range(schedule.num_stations))
    if schedule.num_stations > 1:
        raise PlanError(
            f"recipe {recipe.name!r} holds for station {recipe.station!r} alone, this rate needs "
            f'{schedule.num_stations} stations; lower the rate or set station = "*" in the recipe'
        )
    return (recipe.station,)


def _check_found(service: Service, line: str, recipe: Recipe, settings: LineSettings) -> None:
    for station in settings.stations:
        winner = service.recipes.find(line, station, settings.product)
        if winner is not recipe:
            raise PlanError(
                f"at {line}/{station} the recipe {winner.name if winner else None!r} precedes {recipe.name!r}; "
                "choose that one with --recipe or leave it out of the configuration"
            )
