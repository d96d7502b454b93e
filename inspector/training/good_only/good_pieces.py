"""Options of a fit of good pieces, and the pieces that it takes from a manifest. Does not import torch."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.dataset.good_class import question, with_good
from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest
from inspector.framing.tables import CameraFraming

if TYPE_CHECKING:
    from inspector.training.good_only.descriptors import Backbone

FEWEST = 10
"""Least good pieces, and recordings per modality: with fewer, the spread is a guess."""
PASS_SHARE = 0.9
"""Share of the good pieces that pass; since scores of defects are unknown, it only bounds the review work."""


@dataclass(frozen=True)
class GoodOptions:
    """Options of a run."""

    name: str = "good-only"
    version: str = "1"
    pieces: int | None = None
    """Number of good pieces; None: all."""
    any_split: bool = False
    """Also use good pieces of the splits calibration and test."""
    seed: int = 0
    backbone: "Backbone | None" = None
    """None: fixed filters."""
    pass_share: float = PASS_SHARE
    good: tuple[str, ...] = ()
    """Classes of the manifest that count as good."""
    strict: bool = False
    """Whether a warning stops the run."""
    cameras: Mapping[str, CameraFraming] = field(default_factory=dict)
    """Which part of a camera's pictures is judged."""


def good_pieces(manifest: Path, options: GoodOptions) -> list[PieceRow]:
    """Pieces labelled ok; those with new recordings first."""
    known = with_good(read_manifest(manifest), options.good)
    if asked := question(known):
        raise ManifestError(f"{manifest}: {asked}")
    labelled = [row for row in known if row.label == "ok" and _paths(row)]
    rows = [row for row in labelled if options.any_split or row.split == "train"]
    random.Random(options.seed).shuffle(rows)  # noqa: S311 - no secret
    num_pieces = len(rows) if options.pieces is None else options.pieces
    chosen = _new_recordings_first(rows)[:num_pieces]
    if len(chosen) < FEWEST:
        where = "all splits" if options.any_split else "split train"
        raise ManifestError(
            f"{manifest}: {len(chosen)} good pieces with a recording in {where}, expected at least {FEWEST}: "
            "label more pieces ok"
            + ("" if options.any_split else ", or use all splits (--any-split)")
            + ("" if options.pieces is None else ", or raise --pieces")
        )
    return chosen


def _new_recordings_first(rows: Sequence[PieceRow]) -> list[PieceRow]:
    """First pieces with only new recordings, then those with some, then the rest."""
    order: list[PieceRow] = []
    known: set[str] = set()
    for quantifier in (all, any):
        for row in (row for row in rows if row not in order):
            paths = _paths(row)
            if quantifier(path not in known for path in paths):
                order.append(row)
                known.update(paths)
    return order + [row for row in rows if row not in order]


def _paths(row: PieceRow) -> list[str]:
    return [image.path for image in row.images] + [signal.path for signal in row.signals]
