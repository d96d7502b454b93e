"""Holds the results of a benchmark of engines, and writes them as JSON and as one page of tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from inspector.benchmark.gpu import Figure, GpuFigures
from inspector.benchmark.memory import Memory
from inspector.bundle.schema import Parity

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    num_cores: int
    load: float
    """Average over the minute before: load of other processes."""
    threads: int
    """Of each session."""
    runtimes: Sequence[str]


@dataclass(frozen=True, slots=True)
class FormRow:
    """A whole bundle in one form."""

    form: str
    num_bytes: int
    """Of all its graphs."""
    why_not: str = ""
    """Why it does not run here."""
    parity: Parity | None = None
    """None where it does not run, or the bundle has no parity set."""
    kept: Sequence[str] = ()
    """Graphs that run as less than the form's name says."""


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One graph in one runtime at one batch size."""

    part: str
    runs_as: str
    batch: int
    num_runs: int
    ms: float
    p95_ms: float
    cpu_ms: float
    """Of all threads; medians, as `ms` is."""
    faster: float
    """Than the same graph as onnx/fp32, by `ms`."""
    less_cpu: float
    """The same by `cpu_ms`."""
    num_bytes: int
    memory: Memory | None
    """None where the system does not say."""
    gpu: GpuFigures

    @property
    def pieces_per_cpu_s(self) -> float:
        return 1e3 * self.batch / self.cpu_ms if self.cpu_ms else float("inf")


@dataclass(frozen=True, slots=True)
class LineRow:
    """A form at one offered rate, end to end."""

    form: str
    offered_per_s: float
    achieved_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    num_left: int
    """Pieces without a verdict at the end; then the percentiles are the least that they may be."""
    batches: Mapping[int, int]
    """How many calls of the judge took so many pieces."""
    cpu_ms_per_piece: float

    @property
    def mean_batch(self) -> float:
        return sum(size * num for size, num in self.batches.items()) / sum(self.batches.values())


@dataclass(frozen=True, slots=True)
class Report:
    bundle: str
    digest: str
    machine: Machine
    forms: Sequence[FormRow]
    graphs: Sequence[GraphRow]
    line: Sequence[LineRow]
    notes: Sequence[str]


def as_json(report: Report) -> str:
    content = asdict(report)
    for form, row in zip(content["forms"], report.forms, strict=True):
        form["parity"] = None if row.parity is None else row.parity.model_dump()
    for graph, measured in zip(content["graphs"], report.graphs, strict=True):
        graph["pieces_per_cpu_s"] = measured.pieces_per_cpu_s
    return json.dumps(content, indent=2) + "\n"


def page(report: Report) -> str:
    """Markdown."""
    machine = report.machine
    lines = [
        f"# Engines of {report.bundle}",
        "",
        f"{machine.processor}, {machine.num_cores} cores usable, load {machine.load:.1f} when it began; "
        f"{machine.threads} thread(s) a session; {', '.join(machine.runtimes)}.",
        "",
        "## Forms",
        "",
        *_table(("form", "MB", "runs here", "flips", "new PASS", "routes", "score moves"), map(_form, report.forms)),
        "",
        *(f"- {row.form}: {words}" for row in report.forms for words in (row.why_not, *row.kept) if words),
        "",
        "## Graphs",
        "",
        *_table(_GRAPH_COLUMNS, map(_graph, report.graphs)),
        "",
        "## End to end",
        "",
        *_table(_LINE_COLUMNS, map(_line, report.line)),
        "",
        *(f"- {note}" for note in report.notes),
        "",
    ]
    return "\n".join(lines)


_GRAPH_COLUMNS = (
    "graph", "runs as", "batch", "ms", "p95", "x onnx/fp32", "x by CPU", "pieces/CPU-s", "MiB held", "MiB peak",
    "MB", "x torch", "x torch.compile", "roofline", "mJ/piece",
)  # fmt: skip
_LINE_COLUMNS = ("form", "offered/s", "achieved/s", "p50 ms", "p95 ms", "p99 ms", "batch, largest", "CPU ms/piece")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _form(row: FormRow) -> Sequence[str]:
    size, runs = f"{row.num_bytes / 1e6:.2f}", "no" if row.why_not else "yes"
    if row.parity is None:
        why = "-" if row.why_not else "no parity set"
        return row.form, size, runs, why, "-", "-", "-"
    parity = row.parity
    flips = f"{parity.flips} of {parity.num_pieces} (at most {100 * parity.flips_below:.2g} %)"
    return (
        row.form,
        size,
        runs,
        flips,
        str(parity.new_passes),
        str(parity.route_changes),
        f"{parity.max_difference:.2g}",
    )


def _graph(row: GraphRow) -> Sequence[str]:
    gpu = row.gpu
    return (
        row.part, row.runs_as, str(row.batch), f"{row.ms:.3g}", f"{row.p95_ms:.3g}", f"{row.faster:.2f}",
        f"{row.less_cpu:.2f}", f"{row.pieces_per_cpu_s:.0f}", *_memory(row.memory), f"{row.num_bytes / 1e6:.2f}",
        _figure(gpu.torch_eager), _figure(gpu.torch_compile), _figure(gpu.roofline), _figure(gpu.energy_mj),
    )  # fmt: skip


def _memory(memory: Memory | None) -> tuple[str, str]:
    if memory is None:
        return "not told", "not told"
    device = f" + {memory.device_bytes / _MIB:.0f} on the GPU" if memory.device_bytes else ""
    return f"{memory.held_bytes / _MIB:.1f}{device}", f"{memory.peak_bytes / _MIB:.1f}"


def _figure(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:.3g}"


def _line(row: LineRow) -> Sequence[str]:
    least = ">= " if row.num_left else ""
    percentiles = (f"{least}{ms:.1f}" for ms in (row.p50_ms, row.p95_ms, row.p99_ms))
    batch = f"{row.mean_batch:.1f}, {max(row.batches)}"
    return (
        row.form, f"{row.offered_per_s:g}", f"{row.achieved_per_s:.1f}", *percentiles, batch,
        f"{row.cpu_ms_per_piece:.2f}",
    )  # fmt: skip
