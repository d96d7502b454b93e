"""TensorRT's engine computes what ONNX Runtime computes: on the STAND-IN, and on a real GPU by `make test-gpu`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle.load import load
from inspector.engines.engine import Array, EngineError, EngineSettings
from inspector.engines.factory import open_engine
from inspector.engines.tensorrt.runtime import TensorRtEngine
from inspector.inference.model import open_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import Recipes
from protos.inspection.v1 import verdict_pb2 as pb
from tests.bundles import NOW_NS, clip, piece, toy_recipe, view
from tests.standins.gpus import BATCHES, Gpu, StandInGpu, compiled_file, compiled_toy, open_gpu

TOLERANCE = 1e-3
"""Of a GPU's float32, which may be TF32."""


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    device_gpu = open_gpu()
    yield device_gpu
    if isinstance(device_gpu, StandInGpu):
        device_gpu.cuda.check_all_freed()


def clips(num: int) -> dict[str, Array]:
    values = np.random.default_rng(num).uniform(-0.4, 0.9, (num, 1, 16))
    return {"input": values.astype(np.float32)}


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 11])
def test_any_batch_answers_what_onnx_runtime_answers(tmp_path: Path, gpu: Gpu, num: int) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    reference = open_engine(tmp_path / "ear.onnx", EngineSettings())
    outputs, expected = engine.run(clips(num)), reference.run(clips(num))
    engine.close()
    assert outputs.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, atol=TOLERANCE)
    assert (set(engine.inputs), set(engine.outputs)) == (set(reference.inputs), set(reference.outputs))


def test_a_batch_leaves_nothing_behind_for_the_next(tmp_path: Path, gpu: Gpu) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    first = engine.run(clips(4))["logits"]
    kept = first.copy()
    alone = engine.run(clips(3))["logits"]
    engine.run(clips(4))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(engine.run(clips(3))["logits"], alone)
    engine.close()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'input' has shape None"),
        ({"input": np.zeros((1, 2, 16), np.float32)}, r"has shape \(1, 2, 16\), expected \(None, 1, 16\)"),
        ({"input": np.zeros((0, 1, 16), np.float32)}, "expected one size"),
    ],
)
def test_wrong_inputs_are_refused_before_the_device(
    tmp_path: Path, gpu: Gpu, inputs: dict[str, Array], message: str
) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    with pytest.raises(EngineError, match=message):
        engine.run(inputs)
    engine.close()


def test_threads_take_turns(tmp_path: Path, gpu: Gpu) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    sizes = [1, 4, 2, 9, 3] * 4
    alone = [engine.run(clips(num))["logits"] for num in sizes]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda num: engine.run(clips(num))["logits"], sizes))
    for expected, outputs in zip(alone, together, strict=True):
        np.testing.assert_array_equal(outputs, expected)
    engine.close()


def test_a_closed_engine_says_so(tmp_path: Path, gpu: Gpu) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(clips(1))


def test_the_second_start_finds_its_kernels(tmp_path: Path, gpu: Gpu) -> None:
    file = compiled_file(tmp_path / "bundle", gpu)
    TensorRtEngine(file, gpu.api).close()
    kept = list((tmp_path / "bundle.cache").glob("ear-*.kernels"))
    assert len(kept) == (gpu.api.distribution == "tensorrt-rtx")
    before = [path.stat().st_mtime_ns for path in kept]
    TensorRtEngine(file, gpu.api).close()
    assert [path.stat().st_mtime_ns for path in kept] == before


def verdicts(folder: Path, gpu: Gpu, settings: EngineSettings) -> list[pb.Verdict]:
    model = open_model(load(folder), settings, gpu=lambda: gpu.api)
    judge = RoutedJudge(Recipes([toy_recipe(folder)]), {folder: model}, 3, clock_ns=lambda: NOW_NS)
    levels = [(0.25, 0.0), (0.9, 0.9), (0.5, 0.45), (0.6, 0.1), (0.45, 0.55), (0.25, 0.9), (0.9, 0.0)]
    pieces = [piece(view(top), clip(mic), piece_id=str(index)) for index, (top, mic) in enumerate(levels)]
    return judge.judge(pieces)


@pytest.mark.parametrize("parts", [("top-thumb", "top-full", "mic-ear", "head"), ("top-full",)])
def test_verdicts_are_those_of_onnx_runtime(tmp_path: Path, gpu: Gpu, parts: tuple[str, ...]) -> None:
    folder = compiled_toy(tmp_path / "bundle", gpu, parts)
    results = verdicts(folder, gpu, EngineSettings("tensorrt", precision="fp16"))
    expected = verdicts(folder, gpu, EngineSettings())
    assert [(v.decision, v.reason, v.route) for v in results] == [(v.decision, v.reason, v.route) for v in expected]
    np.testing.assert_allclose([v.defect_score for v in results], [v.defect_score for v in expected], atol=TOLERANCE)
    assert {v.engine for v in results} == {"tensorrt/fp16"}
    assert len({v.decision for v in expected}) == 3


def test_batches_larger_than_the_largest_bucket_are_split(tmp_path: Path, gpu: Gpu) -> None:
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    num = 2 * BATCHES[-1] + 1
    whole = engine.run(clips(num))["logits"]
    parts = [engine.run({"input": clips(num)["input"][index : index + 1]})["logits"] for index in range(num)]
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=TOLERANCE)
    engine.close()
