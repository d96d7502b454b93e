"""Serves the files of `static` from memory: they are read once, small, and the same for everybody."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MAX_BYTES = 8 * 2**20
"""Of all files together: more is a mistake in the package."""


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    media_type: str
    tag: str


class StaticFiles:
    """An ASGI app. Browsers ask each time whether a file changed (304), so that an update shows at once."""

    def __init__(self, folder: Path) -> None:
        self._files = _read(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        file = self._files.get(scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/"))
        if file is None:
            raise HTTPException(404)
        await _answer(file, request.headers.get("if-none-match", ""))(scope, receive, send)


def _answer(file: _File, known: str) -> Response:
    headers = {"cache-control": "no-cache", "etag": file.tag}
    if file.tag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)


def _read(folder: Path) -> Mapping[str, _File]:
    files = {path.relative_to(folder).as_posix(): _file(path) for path in folder.rglob("*") if path.is_file()}
    assert sum(len(file.data) for file in files.values()) < MAX_BYTES, "small by design"  # noqa: S101
    return files


def _file(path: Path) -> _File:
    data = path.read_bytes()
    kinds = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}
    media_type = kinds.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:16]}"')
