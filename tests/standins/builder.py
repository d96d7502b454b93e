# ruff: noqa: N802
"""A STAND-IN for the builder of the distribution `tensorrt`: it parses, and remembers the profiles of its builds.

Its engines cannot run. It lacks all that only TensorRT for RTX has.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import onnx
import pytest

from inspector.compile.tensorrt import build as build_module
from inspector.compile.tensorrt.builder_api import Shape
from tests.standins.cuda import Faults, StandInCuda
from tests.standins.tensorrt import ILogger, StandInTensorRt


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class Tensor(NamedTuple):
    name: str
    shape: Shape


@dataclass
class Network:
    model: onnx.ModelProto = field(default_factory=onnx.ModelProto)

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, index: int) -> Tensor:
        tensor = self.model.graph.input[index]
        sizes = (size.dim_value if size.HasField("dim_value") else -1 for size in tensor.type.tensor_type.shape.dim)
        return Tensor(tensor.name, tuple(sizes))


class Profile(dict[str, tuple[Shape, Shape, Shape]]):
    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None:
        self[input] = (min, opt, max)


class Config:
    __slots__ = ("profiles",)

    def __init__(self) -> None:
        self.profiles: list[Profile] = []

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


@dataclass
class OnnxParser:
    network: Network
    num_errors: int = 0

    def parse(self, model: bytes) -> bool:
        self.network.model = onnx.load_from_string(model)
        return True


@dataclass
class StandInBuilders(StandInTensorRt):
    """In the place of the module."""

    version: str = "10.13.2.6"
    profiles: list[Profile] = field(default_factory=list)
    """Of each engine that was built."""

    NetworkDefinitionCreationFlag = NetworkDefinitionCreationFlag

    def Builder(self, logger: ILogger) -> "Builder":
        return Builder(self)

    def OnnxParser(self, network: Network, logger: ILogger) -> OnnxParser:
        return OnnxParser(network)


@dataclass
class Builder:
    trt: StandInBuilders

    def create_network(self, flags: int) -> Network:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> memoryview:
        (profile,) = config.profiles
        self.trt.profiles.append(profile)
        return memoryview(b"ftrt" + hashlib.sha256(network.model.SerializeToString()).digest())


def classic_box(monkeypatch: pytest.MonkeyPatch) -> StandInBuilders:
    """`tensorrt` in the place of `tensorrt-rtx`, on a STAND-IN for a GPU of compute capability 8.6."""
    trt = StandInBuilders(StandInCuda(Faults()))
    monkeypatch.setattr(build_module, "load_tensorrt", lambda: ("tensorrt", trt))
    monkeypatch.setattr(build_module, "load_api", lambda: trt.api("tensorrt"))
    return trt
