"""The last piece of every station from the archive, for a line that stands still."""

from inspector.archive.body import BodyError
from inspector.archive.find import Archive, NotInArchiveError, PieceFilter, PieceRow
from inspector.verdicts.follow import StoreError
from inspector.web.card import Value
from inspector.web.piece_report import kept_card

NUM_ROWS = 200
"""How many of the newest pieces are looked at: a station that made none of them is not shown."""


def last_cards(archive: Archive) -> list[Value]:
    """By station. Empty where the database is away; a verdict that cannot be read is left out."""
    try:
        newest: dict[tuple[str, str], PieceRow] = {}
        for row in archive.find(PieceFilter(), None, NUM_ROWS):
            newest.setdefault((row.line, row.station), row)
        return [card for key in sorted(newest) if (card := _card(archive, newest[key])) is not None]
    except StoreError:
        return []


def _card(archive: Archive, row: PieceRow) -> Value:
    try:
        verdict = archive.verdict(row.key)
    except (NotInArchiveError, BodyError):
        return None
    return kept_card(row, verdict)
