"""The archive of a request, and the page where it cannot be read."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from inspector.archive.chart_figures import ChartFigures
from inspector.archive.find import Archive
from inspector.archive.limited import TookTooLongError
from inspector.verdicts.follow import StoreError
from inspector.web.state import floor_of
from inspector.web.templating import render

RETRY_S = 5
MAX_KEY = 2**63 - 1
_NO_ARCHIVE = "No archive is kept here: set [archive] in the configuration to look up pieces."


def archive_of(request: Request) -> Archive:
    """Raises HTTPException where no archive is kept."""
    archive = floor_of(request).archive
    if archive is None:
        raise HTTPException(404, _NO_ARCHIVE)
    return archive


def charts_of(request: Request) -> ChartFigures:
    """Raises HTTPException where no archive is kept."""
    figures = floor_of(request).chart_figures
    if figures is None:
        raise HTTPException(404, _NO_ARCHIVE)
    return figures


def key_of(request: Request) -> int:
    """The key in the address. Raises HTTPException for a number that no row can have."""
    key: int = request.path_params["key"]
    if key > MAX_KEY:
        raise HTTPException(404, "The archive has no verdict of this number.")
    return key


def away_page(request: Request, error: StoreError) -> Response:
    """Says that the archive is away, or was asked for too much; the line continues meanwhile."""
    page = render(
        request,
        "archive_away.html",
        {"reason": str(error), "took_too_long": isinstance(error, TookTooLongError), "retry_s": RETRY_S},
        503,
    )
    page.headers["retry-after"] = str(RETRY_S)
    return page
