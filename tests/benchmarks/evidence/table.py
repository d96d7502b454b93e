"""One table of evidence: what was asked, what was measured, by which command; as text and as Markdown."""

from collections.abc import Mapping, Sequence
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
    own: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Rows of one bundle alone, by `Trained.key`, for its model card."""

    def markdown(self) -> str:
        lines = grid(self.columns, self.rows)
        return "\n".join([f"## {self.title}", "", self.asked, "", *lines, "", *(f"- {n}" for n in self.notes), ""])


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of Markdown."""
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *(f"| {' | '.join(row)} |" for row in rows)]
