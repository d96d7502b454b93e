"""What ties pieces together: groups, and recordings that several pieces share."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from inspector.dataset.check.names import name_findings
from inspector.dataset.findings import refuse
from inspector.dataset.labels import modalities_of
from inspector.dataset.manifest import ManifestError, PieceRow
from inspector.dataset.repeats import CHANCE_BYTES, uses_by_content

RECORDING = "recording"
"""The axis of recordings, which counts always."""


class Owner(NamedTuple):
    """A group of one axis, or a recording."""

    axis: str
    value: Hashable


def owners_of(root: Path, rows: Sequence[PieceRow], axes: Sequence[str]) -> list[frozenset[Owner]]:
    """Of each piece: its groups of these axes, and its recordings that other pieces have too.

    Raises ManifestError for an axis that no piece has, and for pieces without any.
    """
    known = sorted({name for row in rows for name in row.groups})
    for axis in axes:
        if axis not in known:
            raise ManifestError(f"no piece has a group {axis!r}; groups are {', '.join(known) or 'none'}")
    lonely = [row.piece_id for row in rows if not any(axis in row.groups for axis in axes)]
    if lonely:
        named = f"no group {' or '.join(axes)}" if axes else "no group"
        raise ManifestError(
            f"{len(lonely)} of {len(rows)} pieces have {named}, first {lonely[0]}: name one with --by, or "
            "import them again with --group-by"
        )
    refuse(name_findings(rows))
    shared = _shared_recordings(root, rows)
    return [
        frozenset(Owner(axis, row.groups[axis]) for axis in axes if axis in row.groups) | shared.get(index, frozenset())
        for index, row in enumerate(rows)
    ]


def _shared_recordings(root: Path, rows: Sequence[PieceRow]) -> Mapping[int, frozenset[Owner]]:
    """By index of the piece: those whose content others have too. Small files count by name: they may be equal by
    chance."""
    numbers = {row.piece_id: index for index, row in enumerate(rows)}
    owners: dict[int, set[Owner]] = defaultdict(set)
    for recording, uses in enumerate(uses_by_content(root, rows, modalities_of(rows))):
        by_name = _size(root / uses[0].path) <= CHANCE_BYTES
        for use in uses:
            alike = [other for other in uses if other.path == use.path] if by_name else uses
            if len({other.row.piece_id for other in alike}) > 1:
                value = (recording, use.path) if by_name else (recording,)
                owners[numbers[use.row.piece_id]].add(Owner(RECORDING, value))
    return {index: frozenset(found) for index, found in owners.items()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
