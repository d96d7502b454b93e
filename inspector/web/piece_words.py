"""How pieces are written on pages: decisions, reasons, scores and times in words."""

from datetime import datetime

from inspector.verdicts.words import enum_word
from inspector.web.piece_links import moment
from inspector.web.piece_query import time_ns
from protos.inspection.v1.verdict_pb2 import DecisionReason

READ_TWICE = "id read twice"
"""Two parts had this id, so nobody knows which of them a verdict is about."""


def reason_word(reason: int) -> str:
    return enum_word(DecisionReason, reason).replace("_", " ").lower()


def score_words(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def time_words(at_ns: int) -> dict[str, str]:
    """A time for a `<time>` element: for programs, and as the server's clock says it; scripts show the browser's."""
    return {"iso": moment(at_ns), "words": _here(at_ns).strftime("%d %b %H:%M:%S")}


def local_input(text: str) -> dict[str, str]:
    """The same for a field of the form; nothing where the text is no time."""
    try:
        at_ns = time_ns(text)
    except ValueError:
        return {"iso": "", "words": ""}
    return {"iso": moment(at_ns), "words": _here(at_ns).strftime("%Y-%m-%dT%H:%M:%S")}


def _here(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // 10**9).astimezone()
