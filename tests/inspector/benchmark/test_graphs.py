"""Graphs on a GPU are timed in turn with torch's, and their columns are filled. The GPU is the engines' STAND-IN."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from inspector.benchmark.gpu import GpuFigures, GpuMeter
from inspector.benchmark.graphs import graph_rows
from inspector.benchmark.memory import Memory
from inspector.benchmark.peak import Peak
from inspector.benchmark.settings import BenchSettings
from inspector.bundle.load import load
from inspector.engines.engine import Array, EngineSettings
from inspector.engines.timing import NUM_WARM_UPS, Pace
from inspector.inference.model import open_model
from tests.standins.gpus import StandInGpu, compiled_toy

SETTINGS = BenchSettings(batches=(1, 4), pace=Pace(2, 2, 0.0, turn=1))


class Torch:
    """Notes the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def eager(self, inputs: Mapping[str, Array], precision: str) -> None:
        self.batches.append(len(inputs["input"]))

    compiled = eager


def test_engines_on_the_gpu_get_figures_and_those_on_the_cpu_say_that_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.benchmark.graphs.measure_memory", lambda bundle, artefact: Memory(1, 2))
    gpu, torch = StandInGpu(), Torch()
    bundle = load(compiled_toy(tmp_path / "toy", gpu, parts=["mic-ear"]))
    cpu, device = EngineSettings(), EngineSettings("tensorrt", precision="fp16")
    models = {cpu: open_model(bundle, cpu), device: open_model(bundle, device, gpu=lambda: gpu.api)}
    joules = iter(range(100))
    monkeypatch.setattr("inspector.benchmark.gpu.millijoules", lambda read, run: (run(), 1e3 * read())[1])
    peak = Peak({"fp32": 1e9, "fp16": 1e9, "int8": 1e9}, 1e9)
    gpu_meter = GpuMeter(bundle, peak, lambda: float(next(joules) + 1), {"mic-ear": torch})

    rows = graph_rows(bundle, models, SETTINGS, gpu_meter, lambda *_: None)

    on_gpu = [row for row in rows if row.runs_as == "tensorrt/fp16"]
    assert [(row.part, row.batch) for row in on_gpu] == [("mic-ear", 1), ("mic-ear", 4)]
    assert all(row.gpu == GpuFigures.none("runs on the CPU") for row in rows if row not in on_gpu)
    assert [row.gpu.energy_mj for row in on_gpu] == [1000.0, 500.0]
    for row in on_gpu:
        figures = (row.gpu.torch_eager, row.gpu.torch_compile, row.gpu.roofline)
        assert all(isinstance(figure, float) and figure > 0 for figure in figures)
    num_runs = 2 * (NUM_WARM_UPS + 2 * 2)  # Eager and compiled; two rounds of one run before the one that is timed.
    assert sorted(torch.batches) == [1] * num_runs + [4] * num_runs
