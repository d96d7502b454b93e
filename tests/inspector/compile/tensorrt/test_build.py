"""TensorRT builds for the requested targets, or reports which operator, GPU or driver stands in the way."""

import onnx.parser
import pytest

from inspector.compile.tensorrt import build as build_module
from inspector.compile.tensorrt.build import BuildError, build, find_compiler, operators_in
from inspector.engines.engine import NoDriverError, WrongDeviceError
from inspector.engines.tensorrt.device import INSTALL_DRIVER
from tests.standins.builder import StandInBuilders, classic_box
from tests.standins.cuda import Faults, StandInCuda
from tests.standins.tensorrt import StandInTensorRt


@pytest.mark.parametrize("target", ["9.0", "1.20", "120", "12.0.", ""])
def test_what_is_no_target_of_tensorrt_for_rtx_names_those_that_are(target: str) -> None:
    """1.20 is no way to write 12.0: the bundle must list capabilities as devices report them."""
    with pytest.raises(
        WrongDeviceError, match=rf"capability {target} is none .*: 7\.5, 8\.0, 8\.6, 8\.9, 12\.0, 12\.1"
    ):
        find_compiler(("8.6", target))


def test_what_does_not_parse_is_named_with_its_operator() -> None:
    text = '<ir_version: 9, opset_import: ["" : 17, "own" : 1]> g (float[B,4] x) => (float[B,4] y) { y = own.Twist(x) }'
    model = onnx.parser.parse_model(text)
    model.graph.node[0].name = "twist_1"
    with pytest.raises(BuildError, match=r"operator 'twist_1' \(Twist\): "):
        build(model.SerializeToString(), {"twist_1": "Twist"}, (1, 2), find_compiler(()))


def test_operators_are_those_of_the_graph_that_are_quoted() -> None:
    kinds = {"node_1": "MatMul", "node_2": "Conv"}
    operators = operators_in(["'node_1' will not do", "nor 'node_9', nor 'node_1'"], kinds)
    assert operators.startswith("operator 'node_1' (MatMul): 'node_1' will not do | nor")
    assert operators_in([], kinds) == "operator not named: TensorRT gives no reason"


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> StandInBuilders:
    return classic_box(monkeypatch)


def test_tensorrt_builds_for_the_gpu_that_is_here(classic: StandInBuilders) -> None:
    assert find_compiler(()).targets == ("8.6",)
    assert find_compiler(("8.6",)).name == "tensorrt 10.13.2.6"
    assert str(find_compiler(()).device) == "Stand-in GPU, compute capability 8.6, driver for CUDA 13.0"
    with pytest.raises(WrongDeviceError, match=r"the GPU that it runs on, which has 8\.6, and 8\.9 was asked for"):
        find_compiler(("8.9",))


def test_tensorrt_builds_one_profile_of_all_batches(classic: StandInBuilders) -> None:
    """The stand-in's configuration takes no compute capabilities: they are of TensorRT for RTX alone."""
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 17]> g (float[B,4] x) => (float[B,4] y) { y = Relu(x) }'
    )
    assert build(model.SerializeToString(), {}, (1, 2, 6), find_compiler(())).startswith(b"ftrt")
    assert classic.profiles == [{"x": ((1, 4), (6, 4), (6, 4))}]


def test_tensorrt_without_a_driver_says_what_helps(classic: StandInBuilders, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = StandInCuda(Faults(no_driver=True))
    monkeypatch.setattr(build_module, "load_api", lambda: StandInTensorRt(cuda).api("tensorrt"))
    with pytest.raises(NoDriverError) as error:
        find_compiler(())
    assert INSTALL_DRIVER in str(error.value)
