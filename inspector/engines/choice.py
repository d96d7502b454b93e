"""Checks for each variant of a bundle whether this machine can run it, and gives the reason if not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Compiled
from inspector.engines.engine import DeviceMemoryError, EngineError, EngineSettings, IncompatibleEngineError
from inspector.engines.factory import check_installed
from inspector.engines.tensorrt.device import find_device, memory_message
from inspector.engines.tensorrt.engine_file import check_compiler, check_target, read_engine
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.engines.variants import check_compiled, compiled_variant, engine_file


@dataclass(frozen=True, slots=True)
class Option:
    """One line of the table."""

    settings: EngineSettings
    why_not: str
    """With the remedy; empty where this machine can run it."""


def options(
    bundle: LoadedBundle, engine_preferences: Sequence[EngineSettings], gpu: Callable[[], GpuApi] = load_api
) -> list[Option]:
    """One per engine, in order of preference."""
    return [Option(settings, _why_not(bundle, settings, gpu)) for settings in engine_preferences]


def _why_not(bundle: LoadedBundle, settings: EngineSettings, gpu: Callable[[], GpuApi]) -> str:
    try:
        check(bundle, settings, gpu)
    except EngineError as exc:
        return one_line(exc)
    return ""


def check(bundle: LoadedBundle, settings: EngineSettings, gpu: Callable[[], GpuApi] = load_api) -> None:
    """Raises EngineError where this machine cannot run the bundle so, as far as can be told without trying."""
    check_compiled(bundle.schema, settings)
    check_installed(settings)
    form = compiled_variant(bundle.schema, settings)
    if form is None:
        return
    if form.engine == "tensorrt":
        _check_gpu(form, gpu())
    for graph in form.graphs:
        if form.engine == "tensorrt":
            read_engine(engine_file(bundle, form, graph))
        elif fault := bundle.file_fault(graph.file):
            raise IncompatibleEngineError(fault)


def _check_gpu(form: Compiled, api: GpuApi) -> None:
    device = find_device(api.cuda)
    check_compiler(form.compiler, api.compiler)
    check_target(form.targets, device.capability)
    needed = sum(graph.num_bytes for graph in form.graphs)
    if needed > device.free_bytes:
        status = (
            f"its engines take {needed / 2**20:.0f} MiB, and {device.free_bytes / 2**20:.0f} MiB of the GPU are free"
        )
        raise DeviceMemoryError(memory_message(status))


def one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())
