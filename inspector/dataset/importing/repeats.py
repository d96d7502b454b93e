"""Entries of a source that name the same recordings: one piece, or a contradiction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from inspector.dataset.importing.items import DataImportError, Item

_Recording = tuple[str | None, Path]


def joined(pieces: Mapping[str, Sequence[Item]]) -> tuple[dict[str, list[Item]], list[str]]:
    """The pieces without repeats, and a sentence for the person where there were any.

    Pieces of equal recordings and labels are one, with the classes of all. Raises DataImportError where the labels
    differ.
    """
    found: dict[frozenset[_Recording], str] = {}
    kept: dict[str, list[Item]] = {}
    repeats: list[tuple[Item, Item]] = []
    for piece_id, given in pieces.items():
        items = _once(given, repeats)
        first = found.setdefault(frozenset(map(_recording, items)), piece_id)
        if first == piece_id:
            kept[piece_id] = items
        else:
            kept[first][0] = _both(kept[first][0], items[0])
            repeats.append((kept[first][0], items[0]))
    return kept, _notes(repeats)


def _once(items: Sequence[Item], repeats: list[tuple[Item, Item]]) -> list[Item]:
    """Of the items of one piece, each recording once."""
    kept: dict[_Recording, Item] = {}
    for item in items:
        first = kept.get(_recording(item))
        if first is not None:
            repeats.append((first, item))
        kept[_recording(item)] = item if first is None else _both(first, item)
    return list(kept.values())


def _recording(item: Item) -> _Recording:
    return item.source, item.path


def _both(one: Item, other: Item) -> Item:
    """Raises DataImportError."""
    if (one.label, one.defect_probability) != (other.label, other.defect_probability):
        raise DataImportError(
            f"{_place(one)} and {_place(other)} are the same recording, {_label(one)} in one and {_label(other)} in "
            "the other; correct one, or remove it"
        )
    return replace(one, defects=tuple(sorted({*one.defects, *other.defects})))


def _label(item: Item) -> str:
    return item.label if item.defect_probability is None else f"defect_probability {item.defect_probability:g}"


def _place(item: Item) -> str:
    return f"{item.origin}: {item.path}" if item.origin else str(item.path)


def _notes(repeats: Sequence[tuple[Item, Item]]) -> list[str]:
    if not repeats:
        return []
    one, other = repeats[0]
    return [
        f"WARNING: {len(repeats)} entries name recordings that an earlier one names, the first: {_place(other)}, as "
        f"{_place(one)}. They are one piece, with the classes of all: were other files meant, correct them"
    ]
