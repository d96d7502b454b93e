"""Describes the compiled graphs of a bundle, and how their decisions compare with torch's."""

from typing import Literal

from pydantic import Field

from inspector.bundle.part import Name, Part

Precision = Literal["fp32", "fp16", "int8"]
CompiledFor = Literal["onnx", "openvino", "tensorrt"]


class Parity(Part):
    """Counts of the parity gate: the bundle's own pieces through the whole routed system."""

    num_pieces: int = Field(ge=0)
    """Pieces of the parity set that ran."""
    flips: int = Field(ge=0)
    """Decisions that differ from torch's at the live limits."""
    new_passes: int = Field(ge=0)
    """Defective pieces among these that PASS now."""
    route_changes: int = Field(ge=0)
    """Pieces for which other experts ran than with torch."""
    max_difference: float = Field(ge=0)
    """Of calibrated scores."""
    flips_below: float = Field(ge=0, le=1)
    """Share of flips that the count proves at 95 %, one-sided."""


class CompiledGraph(Part):
    part: Name
    """An expert, or `head`."""
    file: str
    """The compiled graph, relative to the bundle."""
    precision: Precision
    """Precision of the graph; `why` explains a lower one than requested."""
    seconds: float = Field(ge=0)
    """Time that compiling took."""
    num_bytes: int = Field(ge=0)
    """Size of the file."""
    quantised: float | None = Field(default=None, ge=0, le=1)
    """Share of convolutions and matrix products that take INT8."""
    why: str = ""
    """Why the precision is lower than requested; empty where it is not."""


class Compiled(Part):
    """All graphs for one engine at one precision. Graphs not named run as they were exported, where the engine can."""

    engine: CompiledFor
    """Runtime that the graphs are for."""
    precision: Precision
    """Requested precision."""
    compiler: str
    """Distribution and version, such as tensorrt-rtx 1.7.1.116."""
    targets: tuple[str, ...] = ()
    """Compute capabilities, such as 8.6."""
    batches: tuple[int, ...] = ()
    """Batch sizes that buffers are made for; the last is the largest."""
    graphs: tuple[CompiledGraph, ...]
    """One for each part that was compiled."""
    parity: Parity | None = None
    """None: the machine that compiled could not run it."""
