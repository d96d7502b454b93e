"""A bundle runs in the first of its forms that this machine can run, and every other says in one line why not."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle.load import load
from inspector.config.tables import DEFAULT_ENGINES
from inspector.engines.choice import options
from inspector.engines.engine import EngineError, EngineSettings, NoDriverError
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.inference.model import open_model
from inspector.inference.opening import open_best
from tests.bundles import edit_manifest, write_toy_bundle
from tests.standins.cuda import Faults
from tests.standins.gpus import StandInGpu, compiled_toy, quantised

ORDER = tuple(map(EngineSettings.parse, DEFAULT_ENGINES))
GPU_FORM = EngineSettings.parse("tensorrt/fp16")


def absent() -> GpuApi:
    raise NoDriverError("TensorRT is not installed; pip install tensorrt-rtx, or tensorrt")


def test_what_was_never_compiled_names_the_command(tmp_path: Path) -> None:
    choices = options(load(write_toy_bundle(tmp_path)), ORDER, absent)
    assert [str(option.settings) for option in choices] == list(DEFAULT_ENGINES)
    *others, last = choices
    for option in others:
        name, precision = option.settings.name, option.settings.precision
        assert option.why_not == (
            f"the bundle is not compiled for it; inspector compile BUNDLE --engine {name} --precision {precision}"
        )
    assert last.why_not == ""


def edit_form(folder: Path, **change: object) -> None:
    form = json.loads((folder / "bundle.json").read_text())["compiled"][0]
    edit_manifest(folder, {"compiled": [form | change]})


def altered(folder: Path) -> None:
    (folder / "full.engine").write_bytes((folder / "full.engine").read_bytes() + b"x")


@pytest.mark.parametrize(
    ("faults", "change", "why_not"),
    [
        (Faults(), lambda folder: None, ""),
        (Faults(no_driver=True), lambda folder: None, "no CUDA driver (libcuda.so.1 not found); install"),
        (Faults(capability=(9, 0)), lambda folder: None, "compute capability 8.6, and this GPU has 9.0; compile"),
        (Faults(), lambda folder: edit_form(folder, targets=["8.9", "12.0"]), "capability 8.9, 12.0, and this GPU"),
        (Faults(), lambda folder: edit_form(folder, compiler="tensorrt-rtx 1.6.1.120"), "by tensorrt-rtx 1.6.1.120, "),
        (Faults(free_bytes=100), lambda folder: None, "its engines take 0 MiB, and 0 MiB of the GPU are free; free"),
        (Faults(), altered, "full.engine is altered or truncated: SHA-256"),
    ],
)
def test_each_reason_is_one_line(tmp_path: Path, faults: Faults, change: Callable[[Path], None], why_not: str) -> None:
    gpu = StandInGpu(faults)
    folder = compiled_toy(tmp_path / "bundle", gpu)
    change(folder)
    (option,) = options(load(folder), [GPU_FORM], lambda: gpu.api)
    assert why_not in option.why_not
    assert bool(why_not) is bool(option.why_not)
    assert "\n" not in option.why_not
    assert gpu.trt.seen == 0


def test_a_runtime_that_is_not_installed_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compiled_toy(tmp_path / "bundle", StandInGpu())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tensorrt, openvino = options(load(folder), [GPU_FORM, EngineSettings("openvino")])
    assert tensorrt.why_not.startswith("TensorRT is not installed; in the checkout, pip install '.[tensorrt-rtx]'")
    assert openvino.why_not == "OpenVINO is not installed; in the checkout, pip install '.[openvino]'"


@pytest.mark.parametrize("label", ["onnx/int8", "openvino/int8"])
def test_a_mixed_form_runs_its_own_graphs_and_the_others_as_exported(tmp_path: Path, label: str) -> None:
    bundle = load(quantised(write_toy_bundle(tmp_path), label))
    exported, mixed = open_best(bundle, [EngineSettings()]), open_best(bundle, [EngineSettings.parse(label)])
    image = {"input": np.full((1, 1, 1, 4, 4), 0.75, np.float32)}
    logits = [model.experts["top-full"].run(image)["logits"][0, 0] for model in (exported, mixed)]
    np.testing.assert_allclose(logits, [4.0, 2.0], atol=1e-5)
    assert mixed.engine == label
    assert type(mixed.head) is type(exported.head)


def test_the_first_that_runs_is_taken_and_the_others_are_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = quantised(compiled_toy(tmp_path / "bundle", StandInGpu()))
    gpu = StandInGpu(Faults(no_driver=True))
    with caplog.at_level(logging.INFO, "inspector.engines"):
        model = open_best(load(folder), ORDER, lambda: gpu.api)
    assert model.engine == "onnx/int8"
    (line,) = caplog.messages
    assert line.startswith("Bundle toy runs on onnx/int8. ")
    assert "Not tensorrt/fp16: no CUDA driver (libcuda.so.1 not found); install" in line
    assert "Could be compiled for tensorrt/int8, tensorrt/fp32 (" in line, "later ones are not checked"


def test_a_form_that_does_not_open_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gpu = StandInGpu(Faults(malloc_fails_at=3))
    folder = compiled_toy(tmp_path / "bundle", gpu)
    with caplog.at_level(logging.INFO, "inspector.engines"):
        assert open_best(load(folder), [GPU_FORM, EngineSettings()], lambda: gpu.api).engine == "onnx/fp32"
    assert "Not tensorrt/fp16: allocate 64 bytes: cudaErrorMemoryAllocation" in caplog.text
    gpu.cuda.check_all_freed()


def test_a_form_that_may_not_judge_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = load(quantised(write_toy_bundle(tmp_path)))
    gate = {"onnx/int8": "3 of 300 decisions flip", "onnx/fp32": ""}
    with caplog.at_level(logging.INFO, "inspector.engines"):
        model = open_best(bundle, ORDER, absent, lambda model: gate[model.engine])
    assert (model.engine, model.refused) == ("onnx/fp32", ("onnx/int8",))
    assert "Not onnx/int8: 3 of 300 decisions flip" in caplog.text
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(
        "Bundle toy: onnx/int8 is REFUSED here, and the next of [worker] engines is tried. Compile"
    )
    assert warning.endswith("take it out of [worker] engines: 3 of 300 decisions flip")


def test_what_this_machine_cannot_run_is_not_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = quantised(compiled_toy(tmp_path / "bundle", StandInGpu()))
    gpu = StandInGpu(Faults(no_driver=True))
    assert open_best(load(folder), [GPU_FORM, EngineSettings()], lambda: gpu.api).refused == ()
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_where_none_runs_all_reasons_are_reported(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    with pytest.raises(
        EngineError, match=r"no engine of \[worker\] engines runs it here\n  not tensorrt/fp16: .*\n  not"
    ):
        open_best(bundle, [GPU_FORM, EngineSettings.parse("onnx/int8")], absent)


def test_an_altered_form_costs_the_bundle_that_form_alone(tmp_path: Path) -> None:
    folder = quantised(write_toy_bundle(tmp_path))
    (folder / "full.onnx.int8.onnx").write_bytes(b"junk")
    bundle = load(folder)
    model = open_best(bundle, ORDER, absent)
    assert (model.engine, model.refused) == ("onnx/fp32", ("onnx/int8",))
    (option,) = options(bundle, [EngineSettings.parse("onnx/int8")])
    assert "file 'full.onnx.int8.onnx' has SHA-256" in option.why_not


def test_one_form_can_be_opened_by_name(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    with pytest.raises(
        EngineError, match="is not compiled for it; inspector compile BUNDLE --engine onnx --precision int8"
    ):
        open_model(bundle, EngineSettings.parse("onnx/int8"))


@pytest.mark.parametrize("wish", ["onnx", "onnx/int4", "", "int8/onnx"])
def test_a_wish_that_is_none_is_refused(wish: str) -> None:
    with pytest.raises(ValueError, match="write engine/precision"):
        EngineSettings.parse(wish)
