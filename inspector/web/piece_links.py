"""Addresses of pieces and of lists of pieces. A producer's names are encoded, so that none of them leads elsewhere."""

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from streams.observation import InspectionId

LIST = "/pieces"
BY_NAMES = "/pieces/one"
"""For names that cannot be a part of a path: browsers resolve `.` and `..` even where they are encoded."""
_DOTS = {".", "..", ""}


def piece_path(inspection: InspectionId) -> str:
    """Where the page shows this pass of this piece."""
    line, station, piece_id, pass_number = inspection
    if _DOTS & {line, station, piece_id}:
        names = {"line": line, "station": station, "piece": piece_id, "pass": pass_number}
        return f"{BY_NAMES}?{urlencode(names)}"
    return f"{LIST}/{'/'.join(quote(name, safe='') for name in (line, station, piece_id))}/{pass_number}"


def list_path(fields: Iterable[tuple[str, str]]) -> str:
    """The list of pieces with these fields of its form; empty ones are left out."""
    filled = [(name, value) for name, value in fields if value]
    return f"{LIST}?{urlencode(filled)}" if filled else LIST


def moment(time_ns: int) -> str:
    """A time as addresses hold it: ISO 8601 in UTC, to the microsecond where it is not a whole second."""
    seconds, rest_ns = divmod(time_ns, 10**9)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000, tzinfo=None)
    return at.isoformat() + "Z"
