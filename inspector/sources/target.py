"""Where a source publishes: line, station, product, and the cameras and sensors that its pieces bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.config.service import Service
from inspector.recipe.recipe import Recipe
from protos.inspection.v1.records_pb2 import Inspection
from streams.decode.kinds import SENSOR_KINDS
from streams.decode.limits import is_name, is_text
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.records import MAX_RECORD_BYTES, Topics

ANY_PRODUCT = "part"
"""The product's name where the recipe is for any and none is given; `inspector replay` uses the same."""
ANY_STATION = "station-1"


class TargetError(ValueError):
    """The source cannot publish so; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says about the place; None and empty leave it to the recipe."""

    line: str | None = None
    station: str | None = None
    product: str | None = None
    recipe: str | None = None
    lot: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One station of a line."""

    topics: Topics
    station: str
    product: str
    spec: AssemblySpec
    """Cameras and sensors of a piece."""
    lot: str = ""
    max_record_bytes: int = MAX_RECORD_BYTES
    allowed_prefixes: tuple[str, ...] | None = None
    """Where the service fetches large images from; None: not known, because no configuration was given."""
    check_file: Path | None = None
    """The configuration that the target was read from."""

    def inspection(self, piece_id: str) -> Inspection:
        """Raises TargetError for an id that the service would refuse."""
        if not piece_id or not is_text(piece_id):
            raise TargetError(
                f"{piece_id!r} cannot be the id of a piece: it has 1 to 128 bytes, none of them a control character"
            )
        return Inspection(line=self.topics.line, station=self.station, piece_id=piece_id)

    def sensor(self, name: str) -> SensorSpec | None:
        return next((sensor for sensor in self.spec.sensors if sensor.name == name), None)


def target_of(service: Service, wish: Wish) -> Target:
    """The station of a configured line. Raises TargetError."""
    config = service.config
    line = wish.line or config.lines[0]
    if line not in config.lines:
        raise TargetError(f"line {line!r} is none of {list(config.lines)}; name one of them with --line")
    recipe = _recipe(service, line, wish)
    station = wish.station or (ANY_STATION if recipe.station == "*" else recipe.station)
    product = wish.product or (ANY_PRODUCT if recipe.product == "*" else recipe.product)
    _check_names(station)
    _check_product(product)
    if service.recipes.find(line, station, product) is not recipe:
        raise TargetError(
            f"recipe {recipe.name!r} does not hold for product {product!r} at {line}/{station}; choose another with "
            "--recipe, or correct --station and --product"
        )
    return Target(
        topics=config.topics(line),
        station=station,
        product=product,
        spec=recipe.assembly,
        lot=wish.lot,
        max_record_bytes=config.max_record_bytes,
        allowed_prefixes=tuple(config.references.allowed_prefixes),
        check_file=service.path,
    )


def _recipe(service: Service, line: str, wish: Wish) -> Recipe:
    """The recipe of that name, else the one that holds for station and product, else the line's only one."""
    of_line = [recipe for recipe in service.recipes if recipe.line in ("*", line)]
    fitting = [
        recipe
        for recipe in of_line
        if wish.recipe in (None, recipe.name)
        and (wish.station is None or recipe.station in ("*", wish.station))
        and (wish.product is None or recipe.product in ("*", wish.product))
    ]
    if len(fitting) == 1:
        return fitting[0]
    named = ", ".join(recipe.name for recipe in of_line) or "none"
    if not fitting:
        raise TargetError(
            f"no recipe of line {line!r} fits what was asked; its recipes are: {named}; correct --recipe, --station "
            "and --product"
        )
    raise TargetError(
        f"several recipes of line {line!r} fit: {', '.join(recipe.name for recipe in fitting)}; choose with --recipe"
    )


def bare_target(prefix: str, wish: Wish, cameras: Sequence[str], sensors: Sequence[str]) -> Target:
    """A station without a configuration: cameras by name, sensors as NAME:KIND:RATE_HZ[:CHANNELS]. Raises
    TargetError."""
    station, product = wish.station or ANY_STATION, wish.product or ANY_PRODUCT
    if wish.recipe is not None:
        raise TargetError("--recipe names a recipe of a configuration: give --config, or leave it out")
    if wish.line is None:
        raise TargetError("without --config nobody knows the line: name it with --line")
    _check_names(wish.line, station, *cameras)
    _check_product(product)
    spec = AssemblySpec(tuple(map(CameraSpec, cameras)), tuple(map(parse_sensor, sensors)))
    return Target(Topics(prefix, wish.line), station, product, spec, wish.lot)


def parse_sensor(text: str) -> SensorSpec:
    """`mic:audio:16000` or `acc:vibration:25600:3`. Raises TargetError."""
    name, *rest = text.split(":")
    try:
        kind, rate_hz, channels = rest[0], float(rest[1]), int(rest[2]) if len(rest) > 2 else 1
        number = SENSOR_KINDS[kind].number
    except (IndexError, KeyError, ValueError) as exc:
        raise TargetError(
            f"{text!r} describes no sensor; write NAME:KIND:RATE_HZ[:CHANNELS], such as mic:audio:16000 "
            f"(kinds: {', '.join(SENSOR_KINDS)})"
        ) from exc
    if not is_name(name) or rate_hz <= 0 or not 1 <= channels <= 64 or len(rest) > 3 or not number:
        raise TargetError(f"{text!r}: needs a name, a rate above 0 Hz and 1 to 64 channels")
    bind = "piece" if SENSOR_KINDS[kind].is_curve else "time"
    return SensorSpec(name, kind, rate_hz, channels, bind)  # type: ignore[arg-type] # checked above


def _check_names(*names: str) -> None:
    for name in names:
        if not is_name(name):
            raise TargetError(f"{name!r} is no name; use letters, digits, '-', '_' and '.', at most 48 of them")


def _check_product(product: str) -> None:
    if not is_text(product):
        raise TargetError(f"{product!r} is too long, or holds control characters: at most 128 bytes")
