"""Writes tables as one Markdown page, and their plots as SVG beside it. Measures nothing."""

import platform
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.benchmarks.evidence.table import Plot, Table

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "inspector"


def write_page(folder: Path, tables: Sequence[Table], seconds: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        "# Results",
        "",
        f"Measured in {seconds / 60:.0f} minutes on {platform.machine()}, Python {platform.python_version()}, two "
        "processes of one thread each.",
        "",
    ]
    for table in tables:
        parts.append(table.markdown())
        for plot in table.plots:
            _draw(plot, folder / f"{plot.name}.svg")
            parts += [f"![{plot.title}]({plot.name}.svg)", ""]
    page = folder / "RESULTS.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def _draw(plot: Plot, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for line in plot.lines:
        axes.plot(line.x, line.y, "o-" if line.joined else "o", markersize=4, label=line.name)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
