"""Error pages: what happened, why, and what to do, as HTML for people and as JSON for scripts."""

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from inspector.web.templating import render

_TITLES = {
    400: "This request cannot be understood",
    401: "Please sign in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This address does not take that request",
    408: "The request took too long",
    413: "The request is too large",
    429: "Too many requests",
    503: "Not available at the moment",
}
_ADVICE = {
    403: "Go back, or sign in as somebody who may.",
    404: "The piece may have been deleted by retention, or the address has a typing error. Start at the Line page.",
    429: "Wait a moment, then try again.",
    503: "Try again in a few seconds. If it stays so, look at the log of the floor process.",
}


async def http_error(request: Request, error: Exception) -> Response:
    """Answers an HTTPException; its detail is shown, so it must hold no secret."""
    assert isinstance(error, HTTPException), "registered for it only"  # noqa: S101
    if error.status_code == 401 and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?{urlencode({'next': address})}", 303)
    return error_response(request, error.status_code, error.detail, error.headers)


async def server_error(request: Request, error: Exception) -> Response:
    """The trace goes to the log by the server; the page tells nothing of it."""
    return error_response(request, 500, "The reason is in the log of the floor process.", None)


def error_response(request: Request, status: int, detail: str, headers: object) -> Response:
    title = _TITLES.get(status, "Something went wrong")
    extra = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": title, "detail": detail}, status, extra)
    page = render(request, "error.html", {"status": status, "title": title, "detail": detail,
                                          "advice": _ADVICE.get(status, "")}, status)  # fmt: skip
    page.headers.update(extra)
    return page
