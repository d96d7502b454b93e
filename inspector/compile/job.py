"""Types of a compilation: the request, its inputs and its results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Compiled, CompiledFor, CompiledGraph, Precision
from inspector.inference.batching import MAX_BATCH
from inspector.parity.archive import ParitySet
from inspector.parity.report import Limit, ParityReport
from streams.observation import Observation

Say = Callable[[str, str], None]
"""Called with a graph's part and its current step."""


class CompileError(ValueError):
    """A bundle cannot be compiled so; the message names graph and operator."""


class RefusedError(CompileError):
    """Compiled so, the bundle would decide otherwise than it does, or be no faster."""


@dataclass(frozen=True, slots=True)
class Wish:
    engine: CompiledFor
    precision: Precision
    targets: tuple[str, ...] = ()
    """Compute capabilities; empty: the defaults of the installed TensorRT."""
    max_batch: int = MAX_BATCH
    limit: Limit = field(default_factory=Limit)
    cache: Path | None = None
    """Where engines are kept that a TensorRT built which needs a GPU for it; None: nowhere."""

    @property
    def label(self) -> str:
        return f"{self.engine}/{self.precision}"

    @property
    def batches(self) -> tuple[int, ...]:
        """Powers of two, and the largest: buffers are made for each."""
        powers = [2**power for power in range(self.max_batch.bit_length())]
        return tuple(sorted({*powers, self.max_batch}))


@dataclass(frozen=True, slots=True)
class Job:
    bundle: LoadedBundle
    wish: Wish
    scratch: Path
    """A folder for graphs on their way."""
    parity: ParitySet
    calibration: Sequence[Observation]
    say: Say


class GraphArtifact(NamedTuple):
    """One graph as it is to run."""

    part: str
    """An expert, or `head`."""
    path: Path | None
    """None: as exported."""
    precision: Precision
    seconds: float
    quantised: float | None = None
    """Share of the products."""
    why: str = ""


class CompiledVariant(NamedTuple):
    """All that a bundle is to list of one engine and precision."""

    compiler: str
    targets: tuple[str, ...]
    batches: tuple[int, ...]
    graphs: tuple[GraphArtifact, ...]
    report: ParityReport
    """The gate's."""

    def compiled(self, wish: Wish, graphs: Sequence[CompiledGraph]) -> Compiled:
        """For the manifest. ONNX Runtime stands in for TensorRT in the gate: that is no count of its engines."""
        return Compiled(
            engine=wish.engine,
            precision=wish.precision,
            compiler=self.compiler,
            targets=self.targets,
            batches=self.batches,
            graphs=tuple(graphs),
            parity=None if wish.engine == "tensorrt" else self.report.parity(),
        )
