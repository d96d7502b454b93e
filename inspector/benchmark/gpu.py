"""Fills the columns that need a GPU, or gives the reason why they are empty."""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from inspector.benchmark.artefacts import Artefact, BenchError
from inspector.benchmark.energy import CudaBus, EnergyError, Nvml, Read, energy_counter
from inspector.benchmark.peak import CudaAttributes, Peak, PeakError, peak_of
from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Precision
from inspector.engines.engine import Array, NoDriverError
from inspector.engines.tensorrt.device import find_device
from inspector.engines.tensorrt.gpu_api import Cuda
from inspector.engines.timing import Run, Timing
from inspector.engines.variants import parts

NO_GPU = "no GPU here"
_ON_CPU = "runs on the CPU"
_NO_CHECKPOINT = "needs --checkpoint"
_BURST_S = 2.0
"""NVML counts energy in steps of up to 100 ms."""

Figure = float | str
"""Or why there is none."""


@dataclass(frozen=True, slots=True)
class GpuFigures:
    torch_eager: Figure
    """Times as fast as torch on the same GPU."""
    torch_compile: Figure
    roofline: Figure
    """Share of the speed that the GPU's peak allows."""
    energy_mj: Figure
    """Of the GPU, per piece."""

    @classmethod
    def none(cls, why: str) -> "GpuFigures":
        return cls(why, why, why, why)


class Baseline(Protocol):
    """A graph's torch module on the GPU: see `inspector.benchmark.torch_baselines`."""

    def eager(self, inputs: Mapping[str, Array], precision: Precision) -> object: ...

    def compiled(self, inputs: Mapping[str, Array], precision: Precision) -> object: ...


@dataclass(frozen=True, slots=True)
class GpuMeter:
    """Measures engines on this machine's GPU; a missing figure is replaced by the reason."""

    bundle: LoadedBundle
    peak: Peak | str
    joules: Read | str
    baselines: Mapping[str, Baseline]
    """By part; none without a checkpoint."""

    def runs(self, ours: Sequence[Artefact], inputs: Mapping[str, Array]) -> dict[str, Run]:
        """What torch needs for the same graph and inputs, at the precisions of the engines on the GPU."""
        precisions = {
            _of_torch(artefact)
            for artefact in ours
            if artefact.runs_as.name == "tensorrt" and artefact.part in self.baselines
        }
        runs: dict[str, Run] = {}
        for precision in sorted(precisions):
            baseline = self.baselines[ours[0].part]
            runs[f"torch/{precision}"] = partial(baseline.eager, inputs, precision)
            runs[f"torch.compile/{precision}"] = partial(baseline.compiled, inputs, precision)
        return runs

    def figures(self, artefact: Artefact, batch: int, run: Run, timings: Mapping[str, Timing]) -> GpuFigures:
        """`timings` has the artefact's by its key, and torch's as `runs` names them."""
        if artefact.runs_as.name != "tensorrt":
            return GpuFigures.none(_ON_CPU)
        ms, precision = timings[artefact.key].median_ms, _of_torch(artefact)
        torch = [timings.get(f"{name}/{precision}") for name in ("torch", "torch.compile")]
        eager, compiled = (_NO_CHECKPOINT if timing is None else timing.median_ms / ms for timing in torch)
        energy = self.joules if isinstance(self.joules, str) else millijoules(self.joules, run) / batch
        return GpuFigures(eager, compiled, self._roofline(artefact, batch, ms), energy)

    def _roofline(self, artefact: Artefact, batch: int, ms: float) -> Figure:
        if isinstance(self.peak, str):
            return self.peak
        try:
            from inspector.benchmark.counting import CountError, work
        except ModuleNotFoundError:
            return "needs onnx"
        exported = dict(parts(self.bundle.schema))[artefact.part]
        try:
            counted = work(self.bundle.path(exported), batch)
        except CountError as exc:
            return str(exc)
        return self.peak.least_s(counted, artefact.runs_as.precision) / (ms / 1e3)


def _of_torch(artefact: Artefact) -> Precision:
    return "fp32" if artefact.runs_as.precision == "fp32" else "fp16"


def millijoules(joules: Read, run: Run, clock: Callable[[], float] = time.monotonic) -> float:
    """Per run, of the whole GPU, over a burst."""
    end_s, before, num = clock() + _BURST_S, joules(), 0
    while clock() < end_s:
        run()
        num += 1
    return (joules() - before) * 1e3 / num


def open_gpu_meter(
    bundle: LoadedBundle, checkpoint: Path | None, load: Callable[[str], object] = importlib.import_module
) -> GpuMeter | None:
    """None without a GPU, or without the bindings by which to reach one. Raises BenchError.

    `load` gives a module of `cuda.bindings` by its name.
    """
    try:
        cuda = load("cuda.bindings.runtime")
        capability = find_device(cast(Cuda, cuda)).capability
    except (ImportError, NoDriverError):
        return None
    baselines = {} if checkpoint is None else _baselines(checkpoint, bundle)
    return GpuMeter(
        bundle, _peak(cast(CudaAttributes, cuda), capability), _joules(cast(CudaBus, cuda), load), baselines
    )


def _baselines(checkpoint: Path, bundle: LoadedBundle) -> Mapping[str, Baseline]:
    try:
        from inspector.benchmark.torch_baselines import open_baselines
    except ModuleNotFoundError as exc:
        raise BenchError(f"--checkpoint needs {exc.name}; in the checkout, pip install '.[train]'") from exc
    return open_baselines(checkpoint, bundle.schema)


def _peak(cuda: CudaAttributes, capability: str) -> Peak | str:
    try:
        return peak_of(cuda, capability)
    except PeakError as exc:
        return str(exc)


def _joules(cuda: CudaBus, load: Callable[[str], object]) -> Read | str:
    try:
        return energy_counter(cast(Nvml, load("cuda.bindings.nvml")), cuda)
    except (ImportError, EnergyError) as exc:
        return str(exc)
