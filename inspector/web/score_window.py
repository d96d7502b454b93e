"""The time of a search by score alone, which without a time would read the whole archive."""

from dataclasses import replace

from inspector.archive.find import Archive
from inspector.archive.rows import PieceFilter

DAYS = 7
_NS = DAYS * 86_400 * 10**9


def bounded(archive: Archive, wanted: PieceFilter) -> PieceFilter:
    """The same filter where it has a time or needs none, else for the newest days of the archive. Raises StoreError."""
    if not _is_wide(wanted):
        return wanted
    until_ns = wanted.until_ns
    if until_ns is None:
        newest = archive.find(PieceFilter(), None, 1)
        until_ns = newest[0].entry_ns + 1 if newest else 1
    return replace(wanted, since_ns=wanted.since_ns or until_ns - _NS, until_ns=until_ns)


def _is_wide(wanted: PieceFilter) -> bool:
    has_score = wanted.min_score is not None or wanted.max_score is not None
    names = (wanted.piece_id, wanted.lot, wanted.defect_class)
    return has_score and not any(names) and (wanted.since_ns is None or wanted.until_ns is None)
