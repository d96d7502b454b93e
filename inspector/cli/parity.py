"""`inspector parity`: judges a bundle's parity set with each of its engines on this machine. Needs no torch."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from inspector.benchmark.artefacts import BenchError, chosen, forms_of
from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line, print_lines
from inspector.engines import choice
from inspector.engines.engine import EngineError, EngineSettings
from inspector.inference.model import Model, open_model
from inspector.parity.archive import ParitySet, set_of
from inspector.parity.gate import GateSettings, check
from inspector.parity.report import Limit, ParityReport, as_json, passed, words
from inspector.parity.schema import ParityError
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import load_recipe

FolderOrFile = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=FolderOrFile)
@click.option(
    "--engine",
    "names",
    multiple=True,
    metavar="ENGINE[/PRECISION]",
    help="Only this engine, such as onnx/int8; repeatable.",
)
@click.option("--recipe", type=FolderOrFile, help="Use the thresholds and parity_max_flips of this recipe.")
@click.option(
    "--report",
    "file",
    type=FolderOrFile,
    help="Write the figures, and every piece that is decided differently, as JSON.",
)
@report_user_errors(BenchError, BundleError, ParityError)
def parity(bundle: Path, names: tuple[str, ...], recipe: Path | None, file: Path | None) -> None:
    """Judges the parity set of BUNDLE with each engine that this machine can run, and counts the decisions that differ
    from torch's. The parity set is a sample of calibration pieces in the bundle, with torch's decisions.

    Exit code 1 if too many differ, if no engine can run, or if a given --engine cannot.

    Example: inspector parity bundles/cup --engine onnx/int8
    """
    live = None if recipe is None else load_recipe(recipe).recipe
    limit = Limit() if live is None else Limit(live.parity_max_flips)
    loaded = load(bundle)
    pieces = set_of(loaded)
    forms = chosen(forms_of(loaded.schema), names)
    for note in pieces.about.notes:
        print_line(note)
    reports = []
    for settings in forms:
        try:
            reports.append(_report(_open(loaded, settings), pieces, live))
        except EngineError as exc:
            print_lines(f"{settings}: cannot run here: {exc}")
        else:
            print_lines("\n".join(words(reports[-1], limit)))
    if file is not None:
        file.write_text(json.dumps(as_json(reports, limit), indent=2) + "\n", encoding="utf-8")
    absent = len(forms) - len(reports)
    if not reports or (names and absent) or not all(passed(report, limit) for report in reports):
        raise SystemExit(1)


def _open(bundle: LoadedBundle, settings: EngineSettings) -> Model:
    """Opens it as the service does: never runs a file that was changed after compiling. Raises EngineError."""
    choice.check(bundle, settings)
    return open_model(bundle, settings)


def _report(model: Model, pieces: ParitySet, recipe: Recipe | None) -> ParityReport:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(model.engine)

        def move(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return check(model, pieces, GateSettings(recipe, progress=move))
