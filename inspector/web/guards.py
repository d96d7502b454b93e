"""Middleware around all pages: security headers, and limits on a request's body and time."""

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types inspector",
    )
)
"""No inline script or style, no `innerHTML`: code that a producer writes into a name cannot run."""
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders:
    """Adds the headers to every answer; pages and data are not stored by caches unless they say so."""

    def __init__(self, app: ASGIApp, *, is_tls: bool = False) -> None:
        self._app = app
        strict = {"strict-transport-security": "max-age=31536000"} if is_tls else {}
        self._headers = HEADERS | strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _TooLargeError(Exception):
    """The body is larger than allowed."""


class RequestLimits:
    """Ends requests with a body that is too large (413) or too slow (408)."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, request_timeout_s: float) -> None:
        self._app, self._max_body_bytes, self._timeout_s = app, max_body_bytes, request_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, self._limited(receive), send)
        except _TooLargeError:
            await _refuse(send, 413, f"the request has more than {self._max_body_bytes} bytes\n")
        except TimeoutError:
            await _refuse(send, 408, f"the request was not complete after {self._timeout_s:g} s\n")

    def _limited(self, receive: Receive) -> Receive:
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        num_bytes, is_complete = 0, False

        async def limited() -> Message:
            """After the body only the end of the connection follows, which may take any time."""
            nonlocal num_bytes, is_complete
            if is_complete:
                return await receive()
            async with asyncio.timeout_at(deadline_s):
                message = await receive()
            num_bytes += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if num_bytes > self._max_body_bytes:
                raise _TooLargeError
            return message

        return limited


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
