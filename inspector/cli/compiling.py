"""`inspector compile`: compiles a bundle for the machines that it will run on. Imported only when called."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import cast

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from inspector.bundle.load import BundleError, load
from inspector.bundle.schema import Compiled, CompiledFor, Precision
from inspector.cli.errors import report_user_errors
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable
from inspector.cli.printable import print_lines, printable_lines
from inspector.cli.stages import clock_words
from inspector.compile.compile import compile_bundle
from inspector.compile.job import CompileError, Wish
from inspector.compile.tensorrt.engine_cache import usual_cache
from inspector.dataset.progress import WHOLE
from inspector.engines.engine import EngineError
from inspector.inference.batching import MAX_BATCH
from inspector.parity.report import Limit, words
from inspector.parity.schema import ParityError
from inspector.recipe.recipes import load_recipe

FolderOrFile = click.Path(path_type=Path)
_USUAL = {"tensorrt": "fp16", "onnx": "int8", "openvino": "int8"}


@click.command()
@click.argument("bundle", type=FolderOrFile)
@click.option(
    "--engine",
    required=True,
    type=click.Choice(list(_USUAL)),
    help="tensorrt: for NVIDIA GPUs. onnx, openvino: INT8 for CPUs (in FP32 a bundle runs there without compiling).",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    help="Default: fp16 for tensorrt, int8 for the others.",
)
@click.option(
    "--target",
    "targets",
    metavar="8.6,8.9,...",
    default="",
    help="Compute capabilities of the line's GPUs. Default: 8.0,8.6,8.9,12.0. Compile 7.5 alone, in fp16. Needs no "
    "GPU here. Only for TensorRT for RTX: plain TensorRT compiles for the GPU of this machine.",
)
@click.option(
    "--max-batch",
    default=MAX_BATCH,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Largest batch on a GPU. Buffers are made for batches of 1, 2, 4, ... up to it.",
)
@click.option(
    "--calibration",
    type=MANIFEST,
    help="Measure the value ranges for INT8 on the calibration split of this manifest. Default: on the pieces of the "
    "bundle's parity set.",
)
@click.option(
    "--recipe",
    type=FolderOrFile,
    help="Allow as many changed decisions as parity_max_flips of this recipe. Default: 0.002.",
)
@click.option(
    "--cache",
    metavar="FOLDER|off",
    help="Where plain TensorRT keeps the engines that it builds, to reuse them; off: nowhere. "
    "Default: inspector/tensorrt in $XDG_CACHE_HOME or ~/.cache.",
)
@click.option("--out", type=FolderOrFile, help="Write a compiled copy here and leave BUNDLE as it is.")
@report_user_errors(BundleError, CompileError, EngineError, ParityError)
def compile(
    bundle: Path,
    engine: str,
    precision: str | None,
    targets: str,
    max_batch: int,
    calibration: Path | None,
    recipe: Path | None,
    cache: str | None,
    out: Path | None,
) -> None:
    """Compiles the graphs of BUNDLE for one engine and precision, and adds them to BUNDLE.

    Before anything is added, the compiled graphs judge the pieces of BUNDLE's parity set. If too many decisions
    change, or a defective piece now passes, the command adds nothing, lists these pieces and ends with exit code 1.
    On CPUs, an expert is compiled only if INT8 is faster on this machine; the others stay in FP32.

    \b
    inspector compile BUNDLE --engine tensorrt                       FP16, for several kinds of GPU
    inspector compile BUNDLE --engine tensorrt --target 7.5          FP16, for GPUs of the Turing kind
    inspector compile BUNDLE --engine onnx --calibration MANIFEST    INT8, for ONNX Runtime on a CPU
    inspector doctor BUNDLE                                          then: shows what this machine can run
    """
    job = Wish(
        engine=cast(CompiledFor, engine),
        precision=cast(Precision, precision or _USUAL[engine]),
        targets=tuple(target.strip() for target in targets.split(",") if target.strip()),
        max_batch=max_batch,
        limit=Limit() if recipe is None else Limit(load_recipe(recipe).recipe.parity_max_flips),
        cache=_cache(cache) if engine == "tensorrt" else None,
    )
    console = Console(stderr=True)
    loaded = load(bundle)
    require_writable(out)
    with Lines(console, [*(expert.name for expert in loaded.schema.experts), "head"]) as lines:
        compiled, report = compile_bundle(loaded, job, lines.show, calibration, out)
    Console().print(_table(compiled))
    print_lines("\n".join(words(report, job.limit)))
    click.echo(f"{job.label}, by {compiled.compiler}, is in {out or bundle}: `inspector doctor {out or bundle}`")


def _cache(named: str | None) -> Path | None:
    match named:
        case None:
            return usual_cache()
        case "off":
            return None
        case folder:
            return Path(folder)


class Lines:
    """One line per graph: the current step and its time; and one for all graphs, with the time that is left."""

    def __init__(self, console: Console, parts: Sequence[str], clock_s: Callable[[], float] = time.monotonic) -> None:
        """`parts` are compiled one after the other."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=12)),
            TimeElapsedColumn(),
            TextColumn("{task.fields[doing]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._parts, self._begun = tuple(parts), set[str]()
        self._clock_s, self._start_s = clock_s, clock_s()
        self.whole = self._progress.add_task(WHOLE, total=len(parts), doing=self._all_words(0))

    def __enter__(self) -> "Lines":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, part: str, doing: str) -> None:
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(part, total=None, doing=doing)
        self._progress.update(self._tasks[part], doing=doing)
        if part in self._parts and part not in self._begun:
            self._begun.add(part)
            done = len(self._begun) - 1
            self._progress.update(self.whole, completed=done, doing=self._all_words(done))

    def _all_words(self, done: int) -> str:
        words = f"{done} of {len(self._parts)} graphs"
        if not done:
            return words
        left_s = (self._clock_s() - self._start_s) / done * (len(self._parts) - done)
        return f"{words}, about {clock_words(left_s)} left"


def _table(compiled: Compiled) -> Table:
    table = Table("graph", "precision", "in INT8", "seconds", "bytes", "")
    for graph in compiled.graphs:
        share = "" if graph.quantised is None else f"{graph.quantised:.0%}"
        figures = (share, f"{graph.seconds:.2f}", f"{graph.num_bytes:,}")
        table.add_row(graph.part, graph.precision, *figures, Text(printable_lines(graph.why)))
    return table
