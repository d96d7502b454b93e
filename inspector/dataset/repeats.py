"""Detects recordings that occur more than once in a manifest, by content and not by name."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.schema import Modality
from inspector.dataset.findings import Finding
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import Label, PieceRow

CHANCE_BYTES = 4096
"""Smaller files may be equal by chance, as 4 of 1701 wafer maps and traces of different wafers in a public set."""


@dataclass(frozen=True)
class Use:
    """One recording of one piece."""

    row: PieceRow
    modality: Modality
    path: str

    def __str__(self) -> str:
        return f"{self.path} of {self.row.piece_id}"


def uses_by_content(root: Path, rows: Sequence[PieceRow], modalities: Sequence[Modality]) -> list[list[Use]]:
    """Uses grouped by equal content. An unreadable file equals only itself: reading it fails later."""
    by_name = {modality.name: modality for modality in modalities}
    digests: dict[str, str] = {}
    uses: dict[str, list[Use]] = defaultdict(list)
    for row in rows:
        for name, path in _sources(row):
            if path not in digests:
                digests[path] = _digest(root / path)
            uses[digests[path]].append(Use(row, by_name[name], path))
    return list(uses.values())


def _sources(row: PieceRow) -> Iterator[tuple[str, str]]:
    yield from ((image.camera, image.path) for image in row.images)
    yield from ((signal.sensor, signal.path) for signal in row.signals)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return str(path)


def leaks(root: Path, uses: Sequence[Sequence[Use]]) -> Iterator[Finding]:
    """An error if one recording is in several splits under several names."""
    leaking = [recording for recording in uses if is_leak(root, recording)]
    if leaking:
        one, other = _two(leaking[0], _split)
        yield Finding(
            "splits",
            f"{len(leaking)} recordings are in more than one split under several names: {one} in {one.row.split} and "
            f"{other} in {other.row.split} have the same content: remove one of the two, or put both into one split",
            _pieces(leaking),
            "error",
        )


def is_leak(root: Path, recording: Sequence[Use]) -> bool:
    """Whether the recording is in several splits, under several names, and too large for chance."""
    several = len(_splits(recording)) > 1 and len({use.path for use in recording}) > 1
    return several and _size(root, recording) > CHANCE_BYTES


def repeats(uses: Sequence[Sequence[Use]]) -> Iterator[Finding]:
    """Recordings that are repeated across splits, groups, modalities or within a piece."""
    for property_of, repetition, remedy in _REPEATS:
        repeated = [recording for recording in uses if len({property_of(use) for use in recording}) > 1]
        if repeated:
            one, other = _two(repeated[0], property_of)
            yield Finding(
                "recordings",
                f"{len(repeated)} recordings occur {repetition}: {one} ({property_of(one)}) and {other} "
                f"({property_of(other)}) have the same content: {remedy}",
                _pieces(repeated),
            )
    twice = [use for recording in uses for use in recording if _times(recording, use) > 1]
    if twice:
        text = f"{twice[0]} is listed more than once for that piece: list each recording once"
        yield Finding("recordings", text, _pieces([twice]))


def contradictions(uses: Sequence[Sequence[Use]], modalities: Sequence[Modality]) -> Iterator[Finding]:
    """Recordings that are labelled both good and defective."""
    single = len(modalities) == 1

    def label(use: Use) -> Label | None:
        return own_label(use.row, use.modality) or (use.row.label if single else None)

    disputed = [recording for recording in uses if {"ok", "nok"} <= {label(use) for use in recording}]
    if disputed:
        known = [use for use in disputed[0] if label(use) in ("ok", "nok")]
        one, other = _two(known, lambda use: label(use) or "")
        yield Finding(
            "labels",
            f"{len(disputed)} recordings are labelled ok and nok: {one} is {label(one)}, {other} is {label(other)}: "
            "correct one of the labels; the contradiction harms training",
            _pieces(disputed),
        )


def _pieces(recordings: Sequence[Sequence[Use]]) -> tuple[str, ...]:
    """Of the recordings, one after the other."""
    return tuple(dict.fromkeys(use.row.piece_id for recording in recordings for use in recording))


def _times(recording: Sequence[Use], use: Use) -> int:
    return sum(other.row.piece_id == use.row.piece_id and other.modality == use.modality for other in recording)


def _two(recording: Sequence[Use], property_of: Callable[[Use], str]) -> tuple[Use, Use]:
    """The first use, and the first that differs from it."""
    return recording[0], next(use for use in recording if property_of(use) != property_of(recording[0]))


def _splits(recording: Sequence[Use]) -> set[str]:
    return {use.row.split for use in recording}


def _size(root: Path, recording: Sequence[Use]) -> int:
    try:
        return (root / recording[0].path).stat().st_size
    except OSError:
        return 0


def _split(use: Use) -> str:
    return use.row.split


def _modality(use: Use) -> str:
    return use.modality.name


def _group(use: Use) -> str:
    return own_group(use.row, use.modality)


_REPEATS: Sequence[tuple[Callable[[Use], str], str, str]] = (
    (_split, "in several splits under several names", "if they are of one part, remove one"),
    (
        _group,
        "in several groups, so that folds leak and evidence counts twice",
        "give all pieces with that recording one group, or remove the copy",
    ),
    (_modality, "for several cameras or sensors", "name for each the file that it recorded itself"),
)
