"""Cookies of the page: not readable by scripts, not sent along by other sites, over TLS only where there is TLS."""

from starlette.requests import Request
from starlette.responses import Response

SESSION = "inspector_session"
SIGN_IN = "inspector_sign_in"
"""Binds a sign-in at the provider to the browser that began it."""


def cookie_of(request: Request, name: str) -> str:
    """The cookie's full name. Browsers take `__Host-` cookies only over TLS, from this host, for all its paths."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def set_cookie(request: Request, response: Response, name: str, value: str, age_s: float) -> None:
    response.set_cookie(
        cookie_of(request, name),
        value,
        max_age=int(age_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_cookie(request: Request, response: Response, name: str) -> None:
    set_cookie(request, response, name, "", 0)
