"""`inspector parity`: runs a bundle's parity set through every engine of it that this machine has. Without torch."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from inspector.bundle.load import BundleError, load
from inspector.bundle.schema import CompiledFor
from inspector.cli.errors import reported
from inspector.engines.engine import EngineError, EngineSettings
from inspector.model import Model, open_model
from inspector.parity.archive import ParitySet, set_of
from inspector.parity.content import ParityError
from inspector.parity.gate import GateSettings, check
from inspector.parity.report import Limit, ParityReport, as_json, passed, words
from inspector.recipe.book import load_recipe

FolderOrFile = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=FolderOrFile)
@click.option(
    "--engine", "names", multiple=True, type=click.Choice(get_args(CompiledFor)), help="Only this one; repeatable."
)
@click.option("--recipe", type=FolderOrFile, help="Take the limit (parity_max_flips) from this recipe.")
@click.option("--report", "file", type=FolderOrFile, help="Write figures and every piece that changed, as JSON.")
@reported(BundleError, ParityError)
def parity(bundle: Path, names: tuple[CompiledFor, ...], recipe: Path | None, file: Path | None) -> None:
    """Counts the decisions of BUNDLE's engines here that differ from torch's, on the pieces stored with it.

    Exit code 1 where an engine is over the limit, none can run, or one that was asked for cannot.
    """
    limit = Limit() if recipe is None else Limit(load_recipe(recipe).recipe.parity_max_flips)
    loaded = load(bundle)
    pieces = set_of(loaded)
    models, missing = [], []
    for settings in _forms(names):
        try:
            models.append(open_model(loaded, settings))
        except EngineError as exc:
            missing.append(f"{settings.name}: cannot run here: {exc}")
    reports = list(_checked(models, pieces))
    for line in (*missing, *pieces.about.notes, *(line for report in reports for line in words(report, limit))):
        click.echo(line)
    if file is not None:
        file.write_text(json.dumps(as_json(reports, limit), indent=2) + "\n", encoding="utf-8")
    if not reports or (names and missing) or not all(passed(report, limit) for report in reports):
        raise SystemExit(1)


def _forms(names: Sequence[CompiledFor]) -> list[EngineSettings]:
    return [EngineSettings(name) for name in get_args(CompiledFor) if name in (names or get_args(CompiledFor))]


def _checked(models: Sequence[Model], pieces: ParitySet) -> Iterator[ParityReport]:
    with Progress(console=Console(stderr=True)) as progress:
        for model in models:
            bar = partial(_move, progress, progress.add_task(model.engine))
            yield check(model, pieces, GateSettings(progress=bar))


def _move(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)
