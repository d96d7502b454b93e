"""Whose findings about a piece a person may see: not those about a piece that they hold at the review desk."""

from starlette.requests import Request

from inspector.archive.rows import PieceRow
from inspector.review.people import reviewer_of
from inspector.web.actions import principal_of
from inspector.web.state import floor_of
from streams.observation import InspectionId


def is_withheld(request: Request, row: PieceRow) -> bool:
    """Whether the person still owes an answer on the piece, known or not. Raises StoreError."""
    pieces = floor_of(request).review
    inspection = InspectionId(row.line, row.station, row.piece_id, row.pass_number)
    return pieces is not None and pieces.desk.owes(reviewer_of(principal_of(request)), inspection)
