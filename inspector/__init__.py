"""Turns observations, a model bundle and a recipe into verdicts: the service, its trainer and its command line.

    from inspector import Inspector

    inspector = Inspector.from_pretrained("deploy/bundles/demo")
    verdict = inspector.inspect(images={"top": "part.png"}, signals={"mic": (samples, 16000)})

`Client` and `AsyncClient` ask a running service instead. All three are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import streams  # noqa: F401 - sets OpenCV's limits before any module loads OpenCV

if TYPE_CHECKING:
    from inspector.api import Inspector, Piece, RawImage, SignalFile, Verdict
    from inspector.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "Inspector", "Piece", "RawImage", "SignalFile", "Verdict"]
_HOMES = {
    "Inspector": "inspector.api",
    "Piece": "inspector.api",
    "RawImage": "inspector.api",
    "SignalFile": "inspector.api",
    "Verdict": "inspector.api",
    "Client": "inspector.client",
    "AsyncClient": "inspector.client",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'inspector' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
