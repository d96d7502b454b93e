"""Notes of the cold-start table contain only figures that this run has measured."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.benchmarks.evidence.cold_start import Point

cold_start = pytest.importorskip("tests.benchmarks.evidence.cold_start", reason="needs the training half")

pytestmark = pytest.mark.train


@dataclass(frozen=True)
class Empty:
    """A bench without sets."""

    folder: Path
    seeds: tuple[int, ...] = (7,)
    weights: dict[str, Path] = field(default_factory=dict)

    def sets(self) -> tuple[str, ...]:
        return ()


def test_without_a_measurement_no_figure_is_written(tmp_path: Path) -> None:
    notes = " ".join(cold_start.run(Empty(tmp_path)).notes)
    assert notes
    assert not re.findall(r"\.\d|\d ?%", notes)


def test_what_passes_unseen_is_that_of_the_most_good_pieces() -> None:
    def point(share: float) -> "Point":
        return cold_start.Point((50,), (0.8,), 0.8, 0.1, share, 1.0)

    by_count = {("tap", count): [point(0.9)] for count in cold_start.COUNTS}
    by_count["tap", max(cold_start.COUNTS)] = [point(0.4), point(0.2)]
    (note,) = cold_start.escapes(["tap"], by_count)
    assert note.startswith("tap: from 100 good pieces 30% of the defective pieces PASS")
