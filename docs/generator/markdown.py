"""Puts text into Markdown: tables whose cells hold any text, and headings with anchors."""

from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Text of one cell: no line breaks, no bar that would end the cell, no tag outside code."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table, with an empty line after it; [] without rows."""
    body = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""] if body else []


def page(title: str, lead: str, lines: Iterable[str]) -> str:
    """A page; `lead` is its first paragraph."""
    return "\n".join([f"# {title}", "", lead, "", *lines]).rstrip() + "\n"
