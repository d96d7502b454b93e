"""Settings of a benchmark of engines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from inspector.engines.timing import Pace

Progress = Callable[[str, int, int], None]
"""Told of each stage how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class BenchSettings:
    engines: tuple[str, ...] = ()
    """By engine or engine/precision; without any, all."""
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    rates: tuple[float, ...] = (12, 50, 100, 200)
    """Pieces per second."""
    seconds: float = 20.0
    """At each rate."""
    threads: int = 1
    """Of each session."""
    checkpoint: Path | None = None
    """Holds the torch modules to compare with on a GPU."""
    pace: Pace = field(default_factory=Pace)
