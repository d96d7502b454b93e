"""Renders a report as one HTML file: no network, no script, every value escaped, at most 15 MB."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jinja2 import Environment

from inspector.evaluation.class_figures import Confusion
from inspector.evaluation.class_tables import MAX_COLUMNS
from inspector.report.content import Content
from inspector.report.histogram import histogram
from inspector.report.media import MAX_MEDIA_BYTES, Room, absent, media_of
from inspector.report.next_steps import next_steps
from inspector.report.roc import MAX_CURVES, roc
from inspector.report.scale import short
from inspector.report.tables import by_group
from inspector.report.worst import worst
from inspector.verdicts.plain_text import plain
from inspector.verdicts.sentence import sentence
from inspector.web.environment import strict_environment

HERE = Path(__file__).parent
MAX_BYTES = 15_000_000
"""Of the whole file. Text and plots are bounded by the rows of their tables; `media` bounds the rest."""
MAX_NAME, MAX_TEXT = 80, 600
MAX_CLASSES = 60
MAX_CHOICES, MAX_NOTES, MAX_MODALITIES = 40, 40, 32


def page(content: Content, media_bytes: int = MAX_MEDIA_BYTES) -> str:
    """The whole file."""
    style = (HERE / "templates" / "report.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report.html")
        .render(style=style, style_hash=_hash(style), **_context(content, Room(media_bytes)))
    )


def write_page(content: Content, path: Path) -> Path:
    path.write_text(page(content), encoding="utf-8")
    return path


def _context(content: Content, room: Room) -> Mapping[str, object]:
    labels = content.labels
    scores = np.array([np.nan if piece.score is None else piece.score for piece in content.pieces])
    classes = () if content.classes is None else content.classes.classes
    return {
        "content": content,
        "steps": next_steps(content),
        "histogram": histogram(scores, labels, content.limits),
        "roc": roc(content.curves[:MAX_CURVES], labels),
        "classes": classes[:MAX_CLASSES],
        "num_classes": len(classes),
        "confusion": None if content.classes is None else _narrow(content.classes.confusion),
        "groups": by_group(content.pieces),
        "worst": worst(content.pieces),
        "media": media_of(content.shown, room),
        "left_out": room.left_out,
        "choices": content.choices[:MAX_CHOICES],
        "notes": content.notes[:MAX_NOTES],
        "modalities": list(content.dominance.modalities.items())[:MAX_MODALITIES],
    }


def _narrow(confusion: Confusion) -> Confusion | None:
    """None for a matrix that is too wide to read."""
    return confusion if len(confusion.named) <= MAX_COLUMNS else None


def _hash(style: str) -> str:
    """For the page's policy, which allows this style and no other."""
    return f"'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def _environment() -> Environment:
    environment = strict_environment(HERE / "templates")
    environment.filters |= {
        "name": lambda text: plain(text, MAX_NAME) or "(no name)",
        "text": lambda text: plain(text, MAX_TEXT),
        "short": short,
        "percent": _percent,
        "why": sentence,
        "absent": absent,
    }
    return environment


def _percent(share: float | None) -> str:
    """Such as 2.5 %; nothing known is a dash."""
    return "-" if share is None or share != share else f"{100 * share:.3g} %"
