"""Asks an app for many addresses without a client, whose threads take longer than most answers."""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Scope


def statuses(app: ASGIApp, addresses: Iterable[tuple[str, Mapping[str, str]]]) -> list[int]:
    """Status of the answer to each GET of a path with a query, in order. What the app raises is raised here."""

    async def ask() -> list[int]:
        return [await _status(app, path, query) for path, query in addresses]

    return asyncio.run(ask())


async def _status(app: ASGIApp, path: str, query: Mapping[str, str]) -> int:
    answers: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    await app(_scope(path, urlencode(query).encode()), receive, send)
    (status,) = answers
    return status


def _scope(path: str, query: bytes) -> Scope:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query,
        "headers": [(b"host", b"testserver"), (b"accept", b"*/*")], "client": ("testclient", 50000),
        "server": ("testserver", 80), "state": {}, "extensions": {},
    }  # fmt: skip
