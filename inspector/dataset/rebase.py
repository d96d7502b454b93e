"""Writes a manifest to another place: the paths of its rows still lead to the same files."""

import os
from collections.abc import Iterable
from pathlib import Path

from inspector.dataset.manifest import PieceRow


def rebased(rows: Iterable[PieceRow], old: Path, new: Path) -> list[PieceRow]:
    """`old` and `new`: folders of the manifests."""
    prefix = os.path.relpath(old.resolve(), new.resolve())
    if prefix == ".":
        return list(rows)

    def moved(path: str) -> str:
        return path if Path(path).is_absolute() else Path(os.path.normpath(Path(prefix) / path)).as_posix()

    return [
        row.model_copy(
            update={
                "images": tuple(image.model_copy(update={"path": moved(image.path)}) for image in row.images),
                "signals": tuple(signal.model_copy(update={"path": moved(signal.path)}) for signal in row.signals),
                "mask": None if row.mask is None else moved(row.mask),
            }
        )
        for row in rows
    ]
