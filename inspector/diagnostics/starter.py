"""Writes the first recipe and service configuration of a bundle, from what the bundle knows, with comments."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.schema import Bundle, Framing
from inspector.config.tables import JoinTable, WorkerTable
from inspector.diagnostics.check_config import COMMIT_S
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.strict_recipe import strict_recipe

RECIPE, SERVICE = "recipe.toml", "service.toml"
_CHUNK_S = 0.1
_LEAST_DEADLINE_S = 2.0


class StarterError(ValueError):
    """The files cannot be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Starter:
    """What the two files say that the bundle does not know."""

    line: str = "line-1"
    kafka: str | None = None
    """host:port of a broker; None: the embedded log."""


def write_starter(bundle: Bundle, bundle_folder: Path, out: Path, starter: Starter) -> tuple[Path, Path]:
    """Writes both files and returns their places. Raises StarterError where one of them exists, and writes neither."""
    files = out / RECIPE, out / SERVICE
    taken = [str(file) for file in files if file.exists()]
    if taken:
        raise StarterError(
            f"{' and '.join(taken)} exist{'s' if len(taken) == 1 else ''} already and may hold your changes: "
            "name another folder by --out, or move the old file away"
        )
    texts = recipe_text(bundle, bundle_folder, out, starter), service_text(starter)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as exc:
        raise StarterError(f"{exc.filename}: cannot be written ({exc.strerror}): name a folder by --out") from exc
    return files


def recipe_text(bundle: Bundle, bundle_folder: Path, out: Path, starter: Starter) -> str:
    """Every camera and sensor of the bundle, required, with windows as long as its inputs."""
    recipe = strict_recipe(bundle, bundle_folder)
    head = _head(bundle, recipe, _relative(bundle_folder, out), starter)
    return "\n".join([*head, *_sources(bundle, recipe), *_rules(bundle), ""])


def service_text(starter: Starter) -> str:
    """One line and its recipe, on either log."""
    return "\n".join(
        [
            "# How the service runs. `inspector check service.toml` explains it; `inspector check --keys service.toml`",
            "# lists all keys. Paths are relative to this file.",
            f"lines = [{_quoted(starter.line)}]",
            _with(f'recipes = ["{RECIPE}"]', 'files or patterns, such as "recipes/*.toml"'),
            "",
            _with("[log]", "where records come from and verdicts go"),
            *(_embedded() if starter.kafka is None else _kafka(starter.kafka)),
            "",
            "[join]",
            _with(f"max_delay_s = {JoinTable().max_delay_s:g}", "a silent source is waited for this long"),
            "",
            "[gateway]",
            _with('listen = "127.0.0.1:50051"', "where `inspector watch` and your programs get verdicts"),
            "",
            "[web]",
            _with('listen = "127.0.0.1:8080"', "the live page; another port where this one is taken"),
            "",
        ]
    )


def _embedded() -> Iterator[str]:
    yield _with('kind = "embedded"', 'one SQLite file on this machine; `kind = "kafka"` for a broker')
    yield 'path = "log.sqlite"'
    yield _with("max_bytes = 1073741824", "1 GiB: the oldest records go first")


def _kafka(address: str) -> Iterator[str]:
    yield _with('kind = "kafka"', "`inspector topics create --config service.toml` makes the topics")
    yield f"bootstrap_servers = [{_quoted(address)}]"
    yield "# TLS and login: tables [log.tls] and [log.sasl], see the page Kafka."


def _head(bundle: Bundle, recipe: Recipe, folder: str, starter: Starter) -> Iterator[str]:
    yield f"# How pieces are judged with bundle {bundle.name} {bundle.version}. `inspector check --keys recipe.toml`"
    yield "# lists all keys, also those that are not here."
    yield from _classes(bundle)
    yield f"name = {_quoted(bundle.name)}"
    yield _with('version = "1"', "stands in every verdict: change it with every change of this file")
    yield f"line = {_quoted(starter.line)}"
    yield _with('# station = "station-1"', "without it: any station of the line")
    yield _with('# product = "disc"', "without it: any product" + _product_hint(recipe))
    yield f"bundle = {_quoted(folder)}"
    yield _with(f"deadline_s = {_deadline_s(bundle, recipe):g}", "from the last frame, or the entry, to the verdict")
    yield _with("# pass_below = 0.1", "without it: the limits of the bundle's calibration")
    yield "# fail_above = 0.9"
    yield from _opening(recipe)


def _classes(bundle: Bundle) -> Iterator[str]:
    if bundle.classes:
        yield f"# It tells apart: {', '.join(json.dumps(name, ensure_ascii=False)[1:-1] for name in bundle.classes)}."


def _rules(bundle: Bundle) -> Iterator[str]:
    """An example, commented out."""
    if bundle.classes:
        yield ""
        yield _with(f"# [defects.{_quoted(bundle.classes[0])}]", "rules about one defect class, if you want any")
        yield _with("# never_pass_above = 0.1", "a likelier class sends a piece that would pass to REVIEW")
        yield _with('# decision = "review"', "a piece that fails by this class alone goes to REVIEW")
        yield _with('# severity = "major"', "critical, major or minor: stands in the verdict")


def _product_hint(recipe: Recipe) -> str:
    return "" if recipe.cameras or not _has_traces(recipe) else ", and a trace may open its piece"


def _opening(recipe: Recipe) -> Iterator[str]:
    """How a piece begins, where no frame opens it."""
    if recipe.cameras:
        return
    yield "#"
    yield "# No camera: send an `entered` event for each piece. It opens the piece, and the windows count from it."
    if _has_traces(recipe):
        yield "# A trace opens its piece too, once it has waited join.max_delay_s for an event."


def _has_traces(recipe: Recipe) -> bool:
    return any(sensor.bind == "piece" for sensor in recipe.sensors)


def _sources(bundle: Bundle, recipe: Recipe) -> Iterator[str]:
    known = {modality.name: modality for modality in bundle.modalities}
    for camera in recipe.cameras:
        yield from _camera(camera, known[camera.name].bit_depth)
        yield from _framing(known[camera.name].framing)
    for sensor in recipe.sensors:
        yield from _sensor(sensor)


def _camera(camera: Camera, bit_depth: int | None) -> Iterator[str]:
    yield ""
    yield "[[cameras]]"
    yield f"name = {_quoted(camera.name)}"
    yield _with("num_frames = 1", "images of this camera that make a piece complete")
    if bit_depth is not None:
        yield f"bit_depth = {bit_depth} # as in training"
    yield _with("# required = false", "then a piece may pass without this camera")


def _framing(framing: Framing | None) -> Iterator[str]:
    if framing is not None:
        yield "# Its region and alignment stand in the bundle, as trained: nothing to write here."


def _sensor(sensor: Sensor) -> Iterator[str]:
    yield ""
    yield "[[sensors]]"
    yield f"name = {_quoted(sensor.name)}"
    yield f"kind = {_quoted(sensor.kind)}"
    yield _with(f"sample_rate_hz = {sensor.sample_rate_hz!r}", "as in training; other rates are dead letters")
    yield f"num_channels = {sensor.num_channels}"
    if sensor.bind == "piece":
        yield _with('bind = "piece"', "one record for each piece, which carries its id")
        return
    yield _with("start_s = 0.0", "the window, from the moment when the piece enters;")
    yield _with(f"end_s = {sensor.end_s!r}", "it is as long as the recordings in training")
    yield _with("# required = false", "then a piece may pass without this sensor")


def _deadline_s(bundle: Bundle, recipe: Recipe) -> float:
    """Twice the worst case that `check` computes, with a silent source."""
    windows_s = [sensor.end_s for sensor in recipe.sensors if sensor.bind == "time"]
    cost_s = (sum(expert.cost_ms for expert in bundle.experts) + bundle.head.cost_ms) / 1000
    commit_s = WorkerTable().commit_delay_s + COMMIT_S
    worst_s = max([0.0, *windows_s]) + _CHUNK_S + cost_s + commit_s + JoinTable().max_delay_s
    return max(_LEAST_DEADLINE_S, math.ceil(4 * worst_s) / 2)


def _relative(folder: Path, out: Path) -> str:
    """With forward slashes, which every system reads; absolute where the two are on different drives."""
    try:
        return Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()
    except ValueError:
        return folder.resolve().as_posix()


def _with(code: str, comment: str) -> str:
    """A line with its comment, in one column with those of other lines."""
    return f"{code:<35} # {comment}"


def _quoted(text: str) -> str:
    """A TOML string; JSON escapes as TOML does."""
    return json.dumps(text, ensure_ascii=False)
