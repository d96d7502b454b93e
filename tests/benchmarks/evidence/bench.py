"""Inputs of the tables: data sets, bundles trained on them, scores of their test splits.

Each is made once per run, on first use, and kept in one folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fusion.scored import Scored

REAL_SETS = ("wafer", "tile_tap", "cell_tap")


@dataclass(frozen=True)
class Trained:
    """One training by `inspector train`, and its test split examined with the serving code."""

    name: str
    seed: int
    manifest: Path
    bundle: Path
    checkpoint: Path
    calibration: Scored
    """Pieces used to choose limits and routes: train out of fold, calibration unseen."""
    test: Scored

    @property
    def key(self) -> str:
        """Names the bundle among all of a run."""
        return f"{self.name}-{self.seed}"


class Bench(Protocol):
    """Input of every table."""

    @property
    def folder(self) -> Path: ...
    @property
    def seeds(self) -> Sequence[int]:
        """Benchmark seeds: one in the quick form."""

    @property
    def weights(self) -> Mapping[str, Path]:
        """Local safetensors by timm's names; empty where there are none."""

    def sets(self) -> Sequence[str]:
        """The available real sets; empty without recordings."""

    def manifest(self, name: str, seed: int) -> Path:
        """Manifest of a real set or of a scenario of `inspector simulate`; trains nothing."""

    def trained(self, name: str, seed: int) -> Trained:
        """`name`: a real set, or a scenario of `inspector simulate`."""
