"""The time of a search by score alone, which without a time would read the whole archive."""

from dataclasses import replace

from inspector.archive.find import Archive
from inspector.archive.rows import PieceFilter

DAYS = 7
_NS = DAYS * 86_400 * 10**9


def bounded(archive: Archive, piece_filter: PieceFilter) -> PieceFilter:
    """The same filter where it has a time or needs none, else for the newest days of the archive. Raises StoreError."""
    if not _is_wide(piece_filter):
        return piece_filter
    until_ns = piece_filter.until_ns
    if until_ns is None:
        newest = archive.find(PieceFilter(), None, 1)
        until_ns = newest[0].entry_ns + 1 if newest else 1
    return replace(piece_filter, since_ns=piece_filter.since_ns or until_ns - _NS, until_ns=until_ns)


def _is_wide(piece_filter: PieceFilter) -> bool:
    has_score = piece_filter.min_score is not None or piece_filter.max_score is not None
    names = (piece_filter.piece_id, piece_filter.lot, piece_filter.defect_class)
    return has_score and not any(names) and (piece_filter.since_ns is None or piece_filter.until_ns is None)
