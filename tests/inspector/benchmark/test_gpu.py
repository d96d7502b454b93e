"""Columns that need a GPU hold figures where there is one, and the reason where there is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from inspector.benchmark.artefacts import Artefact
from inspector.benchmark.gpu import Baseline, GpuFigures, GpuMeter, millijoules, open_gpu_meter
from inspector.benchmark.peak import Peak
from inspector.bundle.load import load
from inspector.engines.engine import Array, EngineSettings
from inspector.engines.timing import Timing
from tests.bundles import write_toy_bundle
from tests.inspector.benchmark.gpu_properties import GpuProperties, StandInNvml, l4
from tests.standins.cuda import Faults


class Torch:
    """A baseline that records its requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def eager(self, inputs: Mapping[str, Array], precision: str) -> None:
        self.requests.append(f"eager {precision}")

    def compiled(self, inputs: Mapping[str, Array], precision: str) -> None:
        self.requests.append(f"compiled {precision}")


def artefact_of(label: str) -> Artefact:
    settings = EngineSettings.parse(label)
    return Artefact("mic-ear", settings, settings, "ear", 1)


def timing(ms: float) -> Timing:
    return Timing([ms], [ms])


def gpu_meter(
    folder: Path, *, peak: Peak | str | None = None, baselines: Mapping[str, Baseline] | None = None
) -> GpuMeter:
    bundle = load(write_toy_bundle(folder / "toy"))
    peak = peak or Peak({"fp32": 1e3, "fp16": 1e3, "int8": 1e3}, 1e3)
    return GpuMeter(bundle=bundle, peak=peak, joules="NVML is silent", baselines=baselines or {})


def absent(name: str) -> object:
    raise ImportError(name)


@pytest.mark.parametrize("library", [absent, lambda name: GpuProperties(Faults(no_driver=True))])
def test_without_a_gpu_there_is_no_gpu_meter(tmp_path: Path, library: object) -> None:
    assert callable(library)
    assert open_gpu_meter(load(write_toy_bundle(tmp_path / "toy")), None, library) is None


def test_with_one_its_peak_and_its_energy_are_read(tmp_path: Path) -> None:
    libraries = {"cuda.bindings.runtime": l4(), "cuda.bindings.nvml": StandInNvml([5000, 7500])}
    meter = open_gpu_meter(load(write_toy_bundle(tmp_path / "toy")), None, libraries.__getitem__)
    assert meter is not None
    assert isinstance(meter.peak, Peak)
    assert callable(meter.joules)
    assert meter.joules() == 7.5


@pytest.mark.parametrize(
    ("cuda", "nvml", "peak", "joules"),
    [
        (GpuProperties(Faults(capability=(6, 1))), StandInNvml([1]), "compute capability 6.1 has no figures", None),
        (l4(), StandInNvml(), None, "NVML does not give it: Not Supported"),
    ],
)
def test_what_it_does_not_tell_is_said(
    tmp_path: Path, cuda: object, nvml: object, peak: str | None, joules: str | None
) -> None:
    libraries = {"cuda.bindings.runtime": cuda, "cuda.bindings.nvml": nvml}
    meter = open_gpu_meter(load(write_toy_bundle(tmp_path / "toy")), None, libraries.__getitem__)
    assert meter is not None
    assert str(meter.peak).startswith(peak or "Peak(")
    assert joules in (None, meter.joules)


def test_an_engine_on_the_gpu_is_compared_with_torch_and_with_the_peak(tmp_path: Path) -> None:
    """The ear has neither products nor weights: what counts is 16 samples in, and 2 + 3 + 16 numbers out."""
    timings = {
        artefact_of("tensorrt/int8").key: timing(500),
        "torch/fp16": timing(1500),
        "torch.compile/fp16": timing(750),
    }
    figures = gpu_meter(tmp_path).figures(artefact_of("tensorrt/int8"), 1, lambda: None, timings)
    assert (figures.torch_eager, figures.torch_compile, figures.energy_mj) == (3.0, 1.5, "NVML is silent")
    assert figures.roofline == pytest.approx(4 * (16 + 2 + 3 + 16) / 1e3 / 0.5)


def test_without_a_checkpoint_nothing_is_said_of_torch(tmp_path: Path) -> None:
    engine = artefact_of("tensorrt/fp32")
    figures = gpu_meter(tmp_path, peak="not known").figures(engine, 1, lambda: None, {engine.key: timing(1)})
    assert figures == GpuFigures("needs --checkpoint", "needs --checkpoint", "not known", "NVML is silent")


def test_engines_on_the_cpu_have_no_share_in_it(tmp_path: Path) -> None:
    figures = gpu_meter(tmp_path).figures(artefact_of("onnx/fp32"), 1, lambda: None, {})
    assert figures == GpuFigures.none("runs on the CPU")


def test_torch_runs_at_the_precisions_of_the_engines_on_the_gpu(tmp_path: Path) -> None:
    baseline = Torch()
    runs = gpu_meter(tmp_path, baselines={"mic-ear": baseline}).runs(
        [artefact_of(label) for label in ("onnx/int8", "tensorrt/fp16", "tensorrt/int8", "tensorrt/fp32")], {}
    )
    assert sorted(runs) == ["torch.compile/fp16", "torch.compile/fp32", "torch/fp16", "torch/fp32"]
    for run in runs.values():
        run()
    assert sorted(baseline.requests) == ["compiled fp16", "compiled fp32", "eager fp16", "eager fp32"]


def test_energy_is_of_a_burst_of_runs() -> None:
    joules, seconds = iter([10.0, 13.0]), iter([0.0, 0.5, 1.0, 1.5, 2.5])
    runs = list[int]()
    assert millijoules(lambda: next(joules), lambda: runs.append(1), lambda: next(seconds)) == 1000.0
    assert len(runs) == 3
