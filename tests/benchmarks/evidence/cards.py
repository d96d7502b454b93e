"""Copies the rows and notes about a trained bundle into its model card."""

from collections.abc import Iterator, Sequence
from datetime import date

from inspector.bundle.card import write_section
from inspector.bundle.load import load
from inspector.dataset.manifest import read_manifest
from inspector.evaluation.evaluate import independent, labelled
from inspector.evaluation.measured import MEASURED, origin
from inspector.evaluation.report import counts
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.table import Table, grid

POOLED = "Of all benchmark seeds together"


def write_cards(bundles: Sequence[Trained], tables: Sequence[Table], day: date) -> None:
    """Leaves the card of a bundle unchanged where no table has a row for it."""
    for trained in bundles:
        lines = [line for table in tables for line in _part(table, trained)]
        if lines:
            write_section(load(trained.bundle), MEASURED, "\n".join([*_head(trained, day), *lines]))


def _head(trained: Trained, day: date) -> list[str]:
    rows = labelled(read_manifest(trained.manifest), "test")
    return [
        origin("make bench", trained.manifest, "test", day),
        counts(len(rows), sum(row.label == "nok" for row in rows), independent(rows)),
        f"Rows are of this bundle alone (benchmark seed {trained.seed}) unless they say otherwise; brackets "
        "hold 95 % intervals. RESULTS.md of that run has the questions, the methods and the limits "
        "of the figures.",
        "",
    ]


def _part(table: Table, trained: Trained) -> Iterator[str]:
    """A table of an older bench has no rows per bundle: its rows of the whole set are used."""
    pooled = [] if table.bundle_rows else [row for row in table.rows if row[0] == trained.name]
    rows = table.bundle_rows.get(trained.key, pooled)
    if not rows:
        return
    yield from (f"### {table.title}", "")
    if pooled:
        yield from (f"{POOLED}:", "")
    yield from grid(table.columns, rows)
    yield ""
    notes = [note.removeprefix(f"{trained.name}: ") for note in table.notes if _is_of(note, trained.name)]
    if notes:
        yield from (*(f"- {POOLED}: {note}" for note in notes), "")


def _is_of(note: str, name: str) -> bool:
    return note.startswith((f"{name}: ", f"Missed: on {name} ", f"Missed: on {name},"))
