"""Draws lines with fewer independent recordings from a real set: training and calibration shrink, test stays whole."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from inspector.dataset.manifest import PieceRow, read_manifest, write_manifest

KINDS = ("image", "signal")
SIGNAL_DEFECT = "signal_defect"
LEAST_GROUPS = 2
"""Groups of each label that stay in each split, so that folds can be made."""
DRAWS: Mapping[float, int] = {0.25: 2, 0.5: 2, 0.75: 1, 1.0: 1}
"""Draws of each benchmark seed by the share of groups."""


@dataclass(frozen=True)
class Draw:
    """One line that is drawn from a set."""

    name: str
    seed: int
    share: float
    number: int

    @property
    def key(self) -> str:
        return f"{self.name}-{self.seed}-{self.share:.2f}-{self.number}"


def draws(names: Sequence[str], seeds: Sequence[int]) -> list[Draw]:
    """The smallest lines first, all sets in turn: a run that was cut off has a bit of each."""
    return [
        Draw(name, seed, share, number)
        for share, count in DRAWS.items()
        for number in range(count)
        for seed in seeds
        for name in names
    ]


def write_draw(draw: Draw, manifest: Path, folder: Path) -> Path:
    """Writes the manifest of a draw; its recordings are links to those of the set."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in manifest.parent.iterdir():
        link = folder / source.name
        if source.is_dir() and not link.exists():
            link.symlink_to(source.resolve(), target_is_directory=True)
    rows = read_manifest(manifest)
    drawn = [row for row in rows if row.split == "test"]
    for split in ("train", "calibration"):
        drawn += _paired_again([row for row in rows if row.split == split], draw)
    path = folder / "manifest.jsonl"
    write_manifest(path, drawn)
    return path


def _paired_again(rows: Sequence[PieceRow], draw: Draw) -> list[PieceRow]:
    """A share of the pieces, each with the labels that it had, from a share of the groups of each kind and label."""
    if draw.share >= 1:
        return list(rows)
    generator = random.Random(f"{draw.key} {rows[0].split}")
    pools = {kind: _pools(rows, kind, draw.share, generator) for kind in KINDS}
    return [
        _joined(row, *(next(pools[kind][row.modality_labels[kind]]) for kind in KINDS))
        for row in sorted(generator.sample(rows, round(draw.share * len(rows))), key=lambda row: row.piece_id)
    ]


def _pools(
    rows: Sequence[PieceRow], kind: str, share: float, generator: random.Random
) -> Mapping[str, Iterator[PieceRow]]:
    """By label, endless recordings (as rows that hold them) without repeats until all were used."""
    by_group: dict[str, dict[str, dict[str, PieceRow]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        by_group[row.modality_labels[kind]][row.groups[kind]].setdefault(_path(row, kind), row)
    pools = {}
    for label, groups in by_group.items():
        count = min(len(groups), max(LEAST_GROUPS, round(share * len(groups))))
        kept = generator.sample(sorted(groups), count)
        recordings = [row for group in kept for row in groups[group].values()]
        generator.shuffle(recordings)
        pools[label] = cycle(recordings)
    return pools


def _path(row: PieceRow, kind: str) -> str:
    return row.images[0].path if kind == "image" else row.signals[0].path


def _joined(row: PieceRow, image: PieceRow, signal: PieceRow) -> PieceRow:
    """The piece with another picture and another signal of the same labels."""
    defects = [name for name in image.defects if name != SIGNAL_DEFECT]
    if row.modality_labels["signal"] == "nok":
        defects.append(SIGNAL_DEFECT)
    groups = {"image": image.groups["image"], "signal": signal.groups["signal"]}
    change = {
        "images": image.images,
        "mask": image.mask,
        "signals": signal.signals,
        "defects": tuple(defects),
        "groups": groups,
    }
    return row.model_copy(update=change)
