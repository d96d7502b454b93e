"""`inspector bench`: measures how fast this machine runs a bundle."""

from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, TaskID

from inspector.benchmark.artefacts import BenchError
from inspector.benchmark.report import Report, as_json, page
from inspector.benchmark.run import measure
from inspector.benchmark.settings import BenchSettings
from inspector.bundle.load import BundleError
from inspector.cli.errors import report_user_errors
from inspector.cli.places import require_writable_file
from inspector.cli.printable import printable_lines
from inspector.engines.engine import EngineError
from inspector.parity.schema import ParityError

FolderOrFile = click.Path(path_type=Path)
_PAGE_WIDTH = 200
"""Columns of the widest table; a narrower terminal breaks its cells."""


def _numbers(kind: type[int] | type[float], ctx: click.Context, param: click.Parameter, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(kind(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number < float("inf") for number in numbers):
        expected = "positive numbers with commas in between, such as 1,2,4"
        raise click.BadParameter(f"{text!r}: expected {expected}", ctx, param)
    return numbers


def _report_files(ctx: click.Context, param: click.Parameter, files: tuple[Path, ...]) -> tuple[Path, ...]:
    for file in files:
        if file.suffix not in (".json", ".md"):
            raise click.BadParameter(f"{file}: the name must end in .json or .md", ctx, param)
    return files


@click.group()
def bench() -> None:
    """Measures how fast this machine runs a bundle."""


@bench.command()
@click.argument("bundle", type=FolderOrFile)
@click.option(
    "--engine",
    "names",
    multiple=True,
    metavar="ENGINE[/PRECISION]",
    help="Only this engine, such as onnx/int8; repeatable.",
)
@click.option(
    "--batches",
    metavar="1,2,...",
    default="1,2,4,8,16",
    show_default=True,
    callback=partial(_numbers, int),
    help="Batch sizes to measure every graph with.",
)
@click.option(
    "--rates",
    metavar="12,50,...",
    default="12,50,100,200",
    show_default=True,
    callback=partial(_numbers, float),
    help="Pieces per second to judge, one measurement for each.",
)
@click.option(
    "--seconds", default=20.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Duration at each rate."
)
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1, 256), help="CPU threads of every engine."
)
@click.option("--checkpoint", type=FolderOrFile, help="Checkpoint of the bundle. On a GPU, torch is then measured too.")
@click.option(
    "--report",
    "files",
    multiple=True,
    type=FolderOrFile,
    callback=_report_files,
    help="Write the report to FILE.json or FILE.md; repeatable.",
)
@report_user_errors(BenchError, BundleError, EngineError, ParityError)
def engines(
    bundle: Path,
    names: tuple[str, ...],
    batches: tuple[int, ...],
    rates: tuple[float, ...],
    seconds: float,
    threads: int,
    checkpoint: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Measures each variant of BUNDLE that runs here.

    For each engine and precision: the time of every graph, the decisions that differ from torch's, and the latency at
    each rate of pieces. Exit code 1 if a given --engine does not run on this machine.

    Example: inspector bench engines bundles/cup --engine onnx/int8 --report bench.md
    """
    require_writable_file(*files)
    report = _measured(bundle, BenchSettings(names, batches, rates, seconds, threads, checkpoint))
    console = Console()
    console.width = max(console.width, _PAGE_WIDTH)
    console.print(Markdown(printable_lines(page(report))))
    for file in files:
        file.write_text(as_json(report) if file.suffix == ".json" else page(report), encoding="utf-8")
    if names and any(form.why_not for form in report.forms):
        raise SystemExit(1)


def _measured(bundle: Path, settings: BenchSettings) -> Report:
    tasks: dict[str, TaskID] = {}
    # Bars move between measurements only: a drawing thread would disturb the measurement.
    with Progress(console=Console(stderr=True), auto_refresh=False) as bars:

        def move(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total, refresh=True)

        return measure(bundle, settings, move)
