# ruff: noqa: N802
"""Names the calls of TensorRT's builder that are used, as its Python bindings have them. Implements none."""

from collections.abc import Mapping, Sequence
from typing import Protocol, SupportsInt

from inspector.engines.tensorrt.gpu_api import Logger

Shape = tuple[int, ...]


class Fault(Protocol):
    """`IParserError`."""

    def node_name(self) -> str: ...

    def node_operator(self) -> str: ...

    def desc(self) -> str: ...


class Parser(Protocol):
    """`OnnxParser`."""

    @property
    def num_errors(self) -> int: ...

    def parse(self, model: bytes) -> bool: ...

    def get_error(self, index: int) -> Fault: ...


class Tensor(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Sequence[int]:
        """-1 for a size that is not fixed."""


class Network(Protocol):
    """`INetworkDefinition`."""

    @property
    def num_inputs(self) -> int: ...

    def get_input(self, index: int) -> Tensor: ...


class Profile(Protocol):
    """`IOptimizationProfile`."""

    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None: ...


class Config(Protocol):
    """`IBuilderConfig`; compute capabilities are of TensorRT for RTX alone."""

    num_compute_capabilities: int

    def set_compute_capability(self, compute_capability: object, index: int) -> bool: ...

    def add_optimization_profile(self, profile: Profile) -> int: ...


class Builder(Protocol):
    def create_network(self, flags: int) -> Network: ...

    def create_builder_config(self) -> Config: ...

    def create_optimization_profile(self) -> Profile: ...

    def build_serialized_network(self, network: Network, config: Config) -> bytes | memoryview | None: ...


class CreationFlags(Protocol):
    @property
    def STRONGLY_TYPED(self) -> SupportsInt: ...


class Capabilities(Protocol):
    @property
    def __members__(self) -> Mapping[str, object]: ...


class BuilderLibrary(Protocol):
    """Of `tensorrt_rtx` and `tensorrt`."""

    @property
    def ILogger(self) -> type[Logger]: ...

    @property
    def NetworkDefinitionCreationFlag(self) -> CreationFlags: ...

    @property
    def ComputeCapability(self) -> Capabilities:
        """Of TensorRT for RTX alone."""

    def Builder(self, logger: Logger) -> Builder: ...

    def OnnxParser(self, network: Network, logger: Logger) -> Parser: ...
