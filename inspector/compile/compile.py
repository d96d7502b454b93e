"""Compiles a bundle: converts its graphs, checks them at the parity gate and adds the variant to the bundle."""

import tempfile
from pathlib import Path

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Compiled
from inspector.compile.add_to_bundle import add_form, demand_free
from inspector.compile.cpu import compile_for_cpu
from inspector.compile.feeds import calibration_pieces
from inspector.compile.job import CompileError, Job, Say, Wish
from inspector.compile.tensorrt.compile import compile_for_gpu
from inspector.parity.archive import set_of
from inspector.parity.report import ParityReport


def compile_bundle(
    bundle: LoadedBundle, wish: Wish, say: Say, calibration: Path | None = None, out: Path | None = None
) -> tuple[Compiled, ParityReport]:
    """Returns the bundle's new entry and the gate's report. Leaves the bundle unchanged unless all succeeds.

    `calibration` is a manifest, in place of the parity set's pieces.

    Raises CompileError, EngineError, ParityError, ManifestError, RecordingError, BundleError.
    """
    _validate(wish)
    demand_free(out)
    parity = set_of(bundle)
    pieces = calibration_pieces(parity, calibration) if wish.precision == "int8" else []
    with tempfile.TemporaryDirectory(prefix="inspector-compile-") as scratch:
        job = Job(bundle, wish, Path(scratch), parity, pieces, say)
        form = compile_for_gpu(job) if wish.engine == "tensorrt" else compile_for_cpu(job)
        return add_form(bundle, wish, form, out), form.report


def _validate(wish: Wish) -> None:
    if wish.engine == "tensorrt":
        return
    if wish.precision == "fp32":
        raise CompileError(f"{wish.label} needs no compiling: every bundle runs so as it was exported")
    if wish.precision == "fp16":
        raise CompileError(f"{wish.label} is not available: CPUs compute in FP32 or INT8; ask for --precision int8")
    if wish.targets:
        raise CompileError(f"{wish.label} is for CPUs, and --target names GPUs; leave it out")
