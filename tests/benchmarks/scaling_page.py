"""Writes the tables of tests/benchmarks/figures/scaling.md and the plots, from one file of figures.

    python -m tests.benchmarks.scaling_page

The text around the tables is written by hand. A test compares the page with the figures.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.evidence.page import draw
from tests.benchmarks.evidence.table import Line, Plot, grid
from tests.benchmarks.scaling import Figures, Scaled, Slice
from tests.benchmarks.scaling_sizing import Assumptions, Costs, fit, size
from tests.benchmarks.setting import ROOT

FIGURES = ROOT / "tests/benchmarks/figures/scaling.json"
PAGE = ROOT / "tests/benchmarks/figures/scaling.md"
PLOTS = ROOT / "tests/benchmarks/plots"
UNCLEAR = "These runs do not tell the costs apart: measure again on a quiet machine."
STATIONS = (10, 100, 1_000, 10_000)


def read_figures(path: Path = FIGURES) -> Figures:
    content = json.loads(path.read_text())
    figures = Figures(seconds=content["seconds"], soak_rate=content["soak_rate"], note=content["note"])
    for name in ("stations", "equal_rate", "workers"):
        setattr(figures, name, [Scaled(**run | {"beyond_ms": tuple(run["beyond_ms"])}) for run in content[name]])
    figures.soak = [Slice(**part) for part in content["soak"]]
    return figures


def costs_of(figures: Figures) -> Costs:
    """Of runs whose lag did not grow: the others say what a starved worker spends."""
    return fit([run for run in (*figures.stations, *figures.equal_rate) if run.keeps_up])


def measured_table(figures: Figures) -> list[str]:
    columns = (
        "workers",
        "stations",
        "pieces/s",
        "workers' CPU ms per piece",
        "broker's",
        "p99 ms beyond the window",
        "memory MiB",
    )
    return grid(columns, [_run_row(run) for run in (*figures.stations, *figures.equal_rate, *figures.workers)])


def _run_row(run: Scaled) -> list[str]:
    achieved = f"{run.achieved:.0f}" if run.keeps_up else f"{run.achieved:.0f} of {run.rate:g}: lag grows"
    return [
        f"{run.workers}",
        f"{run.stations}",
        achieved,
        f"{run.service_ms:.2f}",
        f"{run.broker_ms:.2f}",
        f"{run.beyond_ms[2]:.0f}",
        f"{run.memory_mib:.0f}",
    ]


def soak_table(figures: Figures) -> list[str]:
    """First and last quarter of the long run."""
    quarter = max(1, len(figures.soak) // 4)
    parts = (("first quarter", figures.soak[:quarter]), ("last quarter", figures.soak[-quarter:]))
    return grid(
        ("", "memory MiB", "p50 ms", "p99 ms", "CPU ms per piece"),
        [[name, *_means(slices)] for name, slices in parts],
    )


def _means(slices: Sequence[Slice]) -> list[str]:
    values = [(part.memory_mib, part.p50_ms, part.p99_ms, part.service_ms) for part in slices]
    memory, p50, p99, cpu = (sum(column) / len(column) for column in zip(*values, strict=True))
    return [f"{memory:.0f}", f"{p50:.0f}", f"{p99:.0f}", f"{cpu:.2f}"]


def costs_table(costs: Costs) -> list[str]:
    rows = [
        ["worker: CPU of a piece", f"{costs.piece_ms:.2f} ms"],
        ["worker: CPU of one second of one station's sensors", f"{costs.station_ms:.2f} ms"],
        ["worker: CPU of one second of a worker", f"{costs.worker_ms:.0f} ms"],
        ["broker: CPU of a piece", f"{costs.broker_piece_ms:.2f} ms"],
        ["broker: CPU of one second of one station's sensors", f"{costs.broker_station_ms:.2f} ms"],
        ["broker: CPU of one second of a broker", f"{costs.broker_idle_ms:.0f} ms"],
        ["log: frame, event and verdict of a piece", f"{costs.piece_bytes / 1e3:.1f} kB"],
        ["log: one second of one station's sensors", f"{costs.station_bytes / 1e3:.1f} kB"],
        ["worker: memory without stations", f"{costs.base_mib:.0f} MiB"],
        ["worker: memory of one more station", f"{costs.station_mib:.2f} MiB"],
    ]
    return grid(("cost", "measured"), rows)


def sizes_table(costs: Costs, assumed: Assumptions) -> list[str]:
    columns = (
        "stations",
        "pieces/s",
        "cores at work",
        "workers",
        "partitions of each topic",
        "partitions with replicas",
        "MB/s into the log",
        "brokers",
        "TB on disk",
        "GiB per worker",
    )
    return grid(columns, [_size_row(number, costs, assumed) for number in STATIONS])


def _size_row(stations: int, costs: Costs, assumed: Assumptions) -> list[str]:
    each = size(stations, costs, assumed)
    return [
        f"{each.stations:,}",
        f"{each.pieces_per_s:,.0f}",
        f"{each.cores:.2g}" if each.cores < 10 else f"{each.cores:.0f}",
        f"{each.workers:,}",
        f"{each.shards:,}",
        f"{each.replicas:,}",
        f"{each.mb_per_s:,.1f}",
        f"{each.brokers:,}",
        f"{each.disk_tb:,.1f}",
        f"{each.worker_gib:.2f}",
    ]


def assumptions_table(assumed: Assumptions) -> list[str]:
    rows = [
        ["pieces a second of each station", f"{assumed.pieces_per_s:g}"],
        ["cores of one worker", f"{assumed.worker_cores:g}"],
        ["share of a core that is planned for", f"{assumed.busy:g}"],
        ["partitions of each topic per worker", f"{assumed.shards_per_worker}"],
        ["replicas", f"{assumed.replication}"],
        ["written by one broker, replicas included", f"{assumed.broker_mb_s:g} MB/s"],
        ["cores of one broker", f"{assumed.broker_cores}"],
        ["records are kept for", f"{assumed.retention_h:g} h"],
    ]
    return grid(("assumed", ""), rows)


def blocks(figures: Figures, assumed: Assumptions) -> dict[str, list[str]]:
    """By the name of the marker on the page."""
    costs = costs_of(figures)
    told_apart = costs.piece_ms > 0 and costs.worker_ms < 1e3 * assumed.busy * assumed.worker_cores
    return {
        "measured": [*measured_table(figures), *(["", figures.note] if figures.note else [])],
        "soak": soak_table(figures) if figures.soak else ["No long run is among the figures."],
        "costs": costs_table(costs) if told_apart else [UNCLEAR],
        "assumed": assumptions_table(assumed),
        "sizes": sizes_table(costs, assumed) if told_apart else [UNCLEAR],
    }


def fill(page: str, parts: dict[str, list[str]]) -> str:
    """Replaces what stands between the markers of each part. Raises ValueError for a part without markers."""
    for name, lines in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = "\n".join(lines).replace("\\", r"\\")
        page, count = pattern.subn(rf"\g<1>{text}\n\g<2>", page)
        if count != 1:
            raise ValueError(f"the page has {count} places for {name!r}, expected one")
    return page


def plots(figures: Figures) -> list[Plot]:
    """Cost against stations, and memory and p99 of the long run against their first value."""
    lines = [
        Line("each station at the same rate", *_curve(figures.stations)),
        Line("all stations together at the same rate", *_curve([figures.stations[0], *figures.equal_rate])),
    ]
    drawn = [Plot("scaling_stations", "Cost of a piece", "stations", "workers' CPU, ms per piece", lines)]
    if figures.soak:
        times = [part.end_s / 60 for part in figures.soak]
        first = figures.soak[0]
        long_run = [
            Line("memory", times, [part.memory_mib / first.memory_mib for part in figures.soak]),
            Line("p50 of latency", times, [part.p50_ms / first.p50_ms for part in figures.soak]),
            Line("p99 of latency", times, [part.p99_ms / first.p99_ms for part in figures.soak]),
        ]
        title = f"A long run at {figures.soak_rate:g} pieces/s"
        drawn.append(Plot("scaling_soak", title, "minutes", "times the first value", long_run))
    return drawn


def _curve(runs: Sequence[Scaled]) -> tuple[list[float], list[float]]:
    return [float(run.stations) for run in runs], [run.service_ms for run in runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=FIGURES)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--plots", type=Path, default=PLOTS)
    options = parser.parse_args()
    figures = read_figures(options.figures)
    options.page.write_text(fill(options.page.read_text(), blocks(figures, Assumptions())))
    for plot in plots(figures):
        draw(plot, options.plots / f"{plot.name}.svg")


if __name__ == "__main__":
    main()
