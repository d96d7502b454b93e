"""An evaluation with the pieces that it rests on, for pages that show them; and the steps that its progress counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fusion.calibration import Scores
from inspector.dataset.manifest import PieceRow
from inspector.dataset.progress import WHOLE, Progress
from inspector.evaluation.report import Report
from inspector.evaluation.run import Examined
from inspector.inference.model import Model
from inspector.recipe.recipe import Recipe
from protos.inspection.v1 import verdict_pb2 as pb

FILES, DECISIONS = 1, 1
"""Parts of an evaluation that are no split: the check of all files, and the decisions."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation with what it rests on."""

    report: Report
    pieces: Examined
    recipe: Recipe
    verdicts: Sequence[pb.Verdict]
    """As routed, without evidence."""
    scores: Mapping[str, Scores]
    """By the names of `Report.scores`; NaN where a piece has none."""


def examined_splits(
    model: Model, root: Path, recipe: Recipe, splits: Mapping[str, Sequence[PieceRow]], progress: Progress
) -> Iterator[Examined]:
    """Reads and examines the rows of each split."""
    num_parts = FILES + len(splits) + DECISIONS
    progress(WHOLE, FILES, num_parts)
    for done, (name, rows) in enumerate(splits.items(), FILES + 1):
        yield Examined(model, root, rows, partial(progress, name), recipe, partial(progress, f"reading {name}"))
        progress(WHOLE, done, num_parts)
