"""Engines agree, and report clearly an unsupported request."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from inspector.engines import factory
from inspector.engines.engine import EngineError, EngineName, EngineSettings
from tests.bundles import write_toy_bundle
from tests.inspector.compile.jobs import DEMO


@pytest.mark.parametrize("name", ["onnx", "openvino"])
@pytest.mark.parametrize("num", [1, 3])
def test_an_expert_answers_what_its_formula_says(tmp_path: Path, name: EngineName, num: int) -> None:
    engine = factory.open_engine(write_toy_bundle(tmp_path) / "ear.onnx", EngineSettings(name))
    outputs = engine.run({"input": np.full((num, 1, 16), 0.75, np.float32)})
    np.testing.assert_allclose(outputs["logits"], [[2.0, 0.0, 2.0]] * num, atol=1e-6)
    np.testing.assert_allclose(outputs["tokens"], np.full((num, 1, 2), 1.25**0.5), atol=1e-6)
    assert outputs["relevance"].shape == (num, 1, 16)
    assert [port.name for port in engine.inputs] == ["input"]


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_wrong_input_is_an_engine_error(tmp_path: Path, name: EngineName) -> None:
    engine = factory.open_engine(write_toy_bundle(tmp_path) / "ear.onnx", EngineSettings(name))
    with pytest.raises(EngineError):
        engine.run({"input": np.zeros((1, 2, 16), np.float32)})
    with pytest.raises(EngineError):
        engine.run({"nothing": np.zeros((1, 1, 16), np.float32)})


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_file_that_is_no_graph_is_an_engine_error(tmp_path: Path, name: EngineName) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(EngineError, match="cannot load it"):
        factory.open_engine(tmp_path / "junk.onnx", EngineSettings(name))


@pytest.mark.parametrize(("name", "finding"), [("tensorrt", "is no TensorRT engine"), ("torch", "a bundle holds none")])
def test_engines_that_bundles_cannot_have_say_so(tmp_path: Path, name: EngineName, finding: str) -> None:
    with pytest.raises(EngineError, match=finding):
        factory.open_engine(tmp_path / "any.onnx", EngineSettings(name))


def test_an_engine_that_is_not_installed_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"in the checkout, pip install '.\[openvino\]'"):
        factory.open_engine(tmp_path / "any.onnx", EngineSettings("openvino"))


def test_with_openvino_a_piece_is_judged_alike_whatever_shares_its_batch() -> None:
    engine = factory.open_engine(DEMO / "top-scout.onnx", EngineSettings("openvino"))
    images = (
        np.random.default_rng(0)
        .normal(size=(3, *(size or 1 for size in engine.inputs[0].shape[1:])))
        .astype(np.float32)
    )
    together = engine.run({"input": images})
    for row in range(3):
        alone = engine.run({"input": images[row : row + 1]})
        assert all(np.array_equal(alone[name], together[name][row : row + 1]) for name in together)


@pytest.mark.parametrize("sizes", [(2, 4), (0, 0)])
def test_openvino_takes_one_size_of_batch(sizes: tuple[int, int]) -> None:
    head = factory.open_engine(DEMO / "head.onnx", EngineSettings("openvino"))
    shapes = {port.name: (sizes[n > 0], *(size or 1 for size in port.shape[1:])) for n, port in enumerate(head.inputs)}
    with pytest.raises(EngineError, match="expected one size"):
        head.run({name: np.ones(shape, np.float32) for name, shape in shapes.items()})


def test_openvino_runs_a_quantised_graph_in_int8(tmp_path: Path) -> None:
    """Its float32 hint concerns operators that are not quantised."""
    write_quantised_convolution(tmp_path / "conv.onnx")
    engine = factory.open_engine(tmp_path / "conv.onnx", EngineSettings("openvino"))
    model = engine._request.get_compiled_model()  # type: ignore[attr-defined]
    nodes = [node.get_rt_info() for node in model.get_runtime_model().get_ordered_ops()]
    kinds = {node["layerType"].astype(str): node["runtimePrecision"].astype(str) for node in nodes}
    assert kinds["Convolution"] in ("u8", "i8")
    reference = factory.open_engine(tmp_path / "conv.onnx", EngineSettings())
    image = {"input": np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 8)).astype(np.float32)}
    np.testing.assert_allclose(engine.run(image)["output"], reference.run(image)["output"], atol=0.05)


def write_quantised_convolution(path: Path) -> None:
    """As quantising leaves one for any CPU: unsigned activations, signed weights of seven bits."""
    weights = ", ".join(str(value) for value in np.random.default_rng(1).integers(-60, 60, 8 * 8 * 9))
    onnx.save(onnx.parser.parse_model(f"""
    <ir_version: 9, opset_import: ["" : 17]>
    quantised (float[B,8,8,8] input) => (float[B,8,8,8] output) {{
      scale = Constant <value = float {{0.004}}> ()
      zero = Constant <value = uint8 {{0}}> ()
      weights = Constant <value = int8[8,8,3,3] {{{weights}}}> ()
      fine = Constant <value = float {{0.002}}> ()
      none = Constant <value = int8 {{0}}> ()
      q = QuantizeLinear (input, scale, zero)
      x = DequantizeLinear (q, scale, zero)
      w = DequantizeLinear (weights, fine, none)
      output = Conv <pads = [1, 1, 1, 1]> (x, w)
    }}"""), path)  # fmt: skip
