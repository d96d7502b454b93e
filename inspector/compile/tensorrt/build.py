"""Turns an ONNX graph into a TensorRT engine; with TensorRT for RTX without a GPU.

Networks are strongly typed: the graph fixes the type of every value: FP32, FP16 or INT8.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from inspector.compile.tensorrt.builder_api import Builder, BuilderLibrary, Config, Network, Parser, Profile
from inspector.engines.engine import EngineError, WrongDeviceError
from inspector.engines.tensorrt.device import Device, find_device
from inspector.engines.tensorrt.gpu_api import Distribution
from inspector.engines.tensorrt.logger import error_logger
from inspector.engines.tensorrt.runtime import load_api, load_tensorrt

RTX_TARGETS = ("8.0", "8.6", "8.9", "12.0")
"""Where none are named. Build 7.5 alone: together with others it makes the engines slower for all."""


class BuildError(EngineError):
    """TensorRT does not build a graph; the message names the operator."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """The TensorRT that builds, and its targets."""

    distribution: Distribution
    library: BuilderLibrary
    version: str
    targets: tuple[str, ...]
    """Compute capabilities."""
    device: Device | None = None
    """The GPU that it builds on; None where it needs none."""

    @property
    def name(self) -> str:
        """As `Compiled.compiler` has it."""
        return f"{self.distribution} {self.version}"


def find_compiler(targets: Sequence[str]) -> Compiler:
    """Raises NoDriverError without TensorRT, or where it needs a GPU and there is none; WrongDeviceError."""
    distribution, library = load_tensorrt()
    builder = cast(BuilderLibrary, library)
    if distribution == "tensorrt-rtx":
        capabilities = tuple(targets) or RTX_TARGETS
        for target in capabilities:
            _capability(builder, target)
        return Compiler(distribution, builder, library.__version__, capabilities)
    device = find_device(load_api().cuda)
    here = device.capability
    if targets and tuple(targets) != (here,):
        raise WrongDeviceError(
            f"tensorrt builds for the GPU that it runs on, which has {here}, and {', '.join(targets)} was asked for; "
            "compile on such a GPU, or with tensorrt-rtx for several"
        )
    return Compiler(distribution, builder, library.__version__, (here,), device)


def build(graph: bytes, kinds: Mapping[str, str], batches: Sequence[int], compiler: Compiler) -> bytes:
    """`kinds` gives the type of each operator by its name. Raises BuildError."""
    library, messages = compiler.library, list[str]()
    logger = error_logger(library.ILogger, messages)
    builder = library.Builder(logger)
    # TensorRT 11 takes the flag and ignores it: all its networks are strongly typed.
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, logger)
    if not parser.parse(graph):
        raise BuildError(_refusal(parser))
    config = builder.create_builder_config()
    if compiler.distribution == "tensorrt-rtx":
        _set_targets(library, config, compiler.targets)
    config.add_optimization_profile(_profile(builder, network, batches))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise BuildError(operators_in(messages, kinds))
    return bytes(engine)


def _capability(library: BuilderLibrary, target: str) -> object:
    members = library.ComputeCapability.__members__.items()
    known = {f"{name[2:-1]}.{name[-1]}": capability for name, capability in members if name.startswith("SM")}
    if target not in known:
        raise WrongDeviceError(
            f"compute capability {target} is none that this TensorRT for RTX builds for: {', '.join(known)}"
        )
    return known[target]


def _set_targets(library: BuilderLibrary, config: Config, targets: Sequence[str]) -> None:
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        config.set_compute_capability(_capability(library, target), index)


def _profile(builder: Builder, network: Network, batches: Sequence[int]) -> Profile:
    """All batches up to the largest, and best for that one."""
    profile = builder.create_optimization_profile()
    for tensor in map(network.get_input, range(network.num_inputs)):
        smallest, largest = ((size, *tuple(tensor.shape)[1:]) for size in (min(batches), max(batches)))
        profile.set_shape(tensor.name, smallest, largest, largest)
    return profile


def _refusal(parser: Parser) -> str:
    faults = map(parser.get_error, range(parser.num_errors))
    return "; ".join(f"operator {f.node_name()!r} ({f.node_operator()}): {f.desc()}" for f in faults)


def operators_in(messages: Sequence[str], kinds: Mapping[str, str]) -> str:
    """TensorRT's messages, after the operators of the graph that they quote."""
    text = " | ".join(messages)
    operators = [f"{name!r} ({kinds[name]})" for name in dict.fromkeys(re.findall(r"'([^']+)'", text)) if name in kinds]
    return f"operator {', '.join(operators) or 'not named'}: {text or 'TensorRT gives no reason'}"
