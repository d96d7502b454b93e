"""A compiled form judges on a machine only after the bundle's own pieces have passed there."""

import errno
import logging
import os
from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.engines.engine import EngineError, EngineSettings
from inspector.inference.opening import open_best, open_models
from inspector.rollout import admission
from inspector.rollout.admission import Admission, machine
from tests.bundles import toy_recipe, write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set
from tests.standins.gpus import StandInGpu, add_form, compiled_file, quantised

ORDER = tuple(map(EngineSettings.parse, ("tensorrt/fp16", "onnx/int8", "onnx/fp32")))


def bundle_with(folder: Path, *, spoiled: bool) -> Path:
    """Its INT8 graph agrees with the exported one, or decides the opposite."""
    write_toy_set(folder, toy_pieces(40))
    return quantised(folder, gain=-16 if spoiled else 16)


def proofs(folder: Path) -> list[str]:
    return sorted(path.name.rpartition("-")[0] for path in folder.with_name("toy.cache").glob("*.passed"))


def test_what_passed_once_is_not_run_again(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path / "toy", spoiled=False)
    bundle, admit = load(folder), Admission([toy_recipe(folder)])
    assert open_best(bundle, ORDER, admit=admit).engine == "onnx/int8"
    assert proofs(folder) == ["onnx-int8"]
    (folder / "parity.zip").unlink()
    assert open_best(bundle, ORDER, admit=admit).engine == "onnx/int8"
    stricter = open_best(
        bundle, ORDER, admit=Admission([toy_recipe(folder).model_copy(update={"parity_max_flips": 0})])
    )
    assert stricter.engine == "onnx/fp32", "another limit is another question, and the pieces are gone"


def test_a_form_that_flips_decisions_is_refused_and_the_next_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bundle_with(tmp_path / "toy", spoiled=True)
    for _ in range(2):
        with caplog.at_level(logging.INFO, "inspector.engines"):
            (model,) = open_models([toy_recipe(folder)], ORDER, Admission).values()
        assert model.engine == "onnx/fp32"
        assert "Not onnx/int8: it failed the parity gate: onnx/int8: REFUSED: " in caplog.messages[-1]
    assert proofs(folder) == []


def test_the_limits_are_those_of_every_recipe(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path / "toy", spoiled=True)
    strict = toy_recipe(folder)
    all_review = strict.model_copy(update={"pass_below": 0.0, "fail_above": 1.0})
    assert open_best(load(folder), ORDER, admit=Admission([all_review])).engine == "onnx/int8", "it changes nothing"
    assert proofs(folder) == ["onnx-int8"]
    assert open_best(load(folder), ORDER, admit=Admission([strict])).engine == "onnx/fp32", "that proof is not this one"
    assert open_best(load(folder), ORDER, admit=Admission([all_review, strict])).engine == "onnx/fp32"


@pytest.mark.parametrize(("threads", "max_batch", "later"), [(2, 16, ""), (1, 4, ""), (1, 16, "later")])
def test_another_way_to_run_graphs_is_another_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, max_batch: int, later: str
) -> None:
    folder = bundle_with(tmp_path / "toy", spoiled=False)
    bundle, recipes = load(folder), [toy_recipe(folder)]
    open_best(bundle, [EngineSettings.parse("onnx/int8")], admit=Admission(recipes, 16))
    monkeypatch.setattr(admission, "HOW_GRAPHS_RUN", admission.HOW_GRAPHS_RUN + later)
    open_best(bundle, [EngineSettings.parse("onnx/int8", threads)], admit=Admission(recipes, max_batch))
    assert proofs(folder) == ["onnx-int8", "onnx-int8"]


def test_a_device_of_another_driver_is_another_machine(tmp_path: Path) -> None:
    gpu, folder = StandInGpu(), tmp_path / "toy"
    write_toy_set(folder, toy_pieces(8))
    add_form(folder, "tensorrt/fp16", {"mic-ear": compiled_file(folder, gpu)})
    for driver in (13000, 13000, 13010):
        gpu.cuda.faults.driver_version = driver
        model = open_best(load(folder), ORDER, lambda: gpu.api, Admission([toy_recipe(folder)], gpu=lambda: gpu.api))
        assert model.engine == "tensorrt/fp16"
    assert proofs(folder) == ["tensorrt-fp16", "tensorrt-fp16"]
    assert machine(model.settings, lambda: gpu.api).endswith("GPU, compute capability 8.6, driver for CUDA 13.1")


def test_without_a_parity_set_no_compiled_form_judges(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = quantised(write_toy_bundle(tmp_path / "toy"))
    with caplog.at_level(logging.INFO, "inspector.engines"):
        assert open_best(load(folder), ORDER, admit=Admission([toy_recipe(folder)])).engine == "onnx/fp32"
    assert "Not onnx/int8: the bundle has no parity set" in caplog.text
    assert "export it again with --parity MANIFEST" in caplog.text
    with pytest.raises(EngineError, match="has no parity set"):
        open_best(load(folder), [EngineSettings.parse("onnx/int8")], admit=Admission([toy_recipe(folder)]))


def test_exported_graphs_need_no_proof(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    write_toy_set(folder, toy_pieces(4))
    assert open_best(load(folder), ORDER, admit=Admission([toy_recipe(folder)])).engine == "onnx/fp32"
    assert proofs(folder) == []


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = bundle_with(tmp_path / "toy", spoiled=False)
    (tmp_path / "toy.cache").write_text("a file in the folder's place")
    assert open_best(load(folder), ORDER, admit=Admission([toy_recipe(folder)])).engine == "onnx/int8"
    assert "the next start runs the parity set again" in caplog.text


def test_an_approval_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proof = tmp_path / "cache" / "one.passed"
    admission.remember(proof, "300 pieces, no flip")

    def is_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", is_full)
    admission.remember(proof, "cut")
    assert proof.read_text() == "300 pieces, no flip\n"
    assert "No space left on device" in caplog.text
