"""One table of evidence: what was asked, what was measured, by which command; as text and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """One curve of a plot: x and y of equal length."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    joined: bool = True
    """False: points only."""


@dataclass(frozen=True)
class Plot:
    name: str
    """File name without ending."""
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    name: str
    """Short, for file names and for `--only`."""
    title: str
    asked: str
    """What the table is to show, in one or two sentences, with the goal."""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    """What was reached or missed, what was tried, what the figures do not say."""
    plots: Sequence[Plot] = field(default=())

    def markdown(self) -> str:
        head = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        rows = ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(
            [f"## {self.title}", "", self.asked, "", *head, *rows, "", *(f"- {n}" for n in self.notes), ""]
        )
