"""One table of evidence (question, figures, notes) and its Markdown."""

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
    question: str
    """The question that the table answers, with its goal, in one or two sentences."""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    """Goals reached or missed, methods, and limits of the figures."""
    plots: Sequence[Plot] = field(default=())
    bundle_rows: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Rows of each bundle, by `Trained.key`, for its model card."""

    def markdown(self) -> str:
        lines = grid(self.columns, self.rows)
        return "\n".join([f"## {self.title}", "", self.question, "", *lines, "", *(f"- {n}" for n in self.notes), ""])


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of Markdown."""
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *(f"| {' | '.join(row)} |" for row in rows)]
