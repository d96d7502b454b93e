"""Lets graphs on their way to a compiler pass the parity gate, in the place of those exported. Compiles nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from inspector.compile.job import Job
from inspector.engines.engine import EngineName, EngineSettings
from inspector.engines.factory import open_engine
from inspector.engines.variants import parts
from inspector.inference.model import Opener, open_model
from inspector.parity.gate import check
from inspector.parity.report import Limit, ParityReport

MAX_NAMES = 10
"""Of pieces on one line."""


def check_graphs(
    job: Job, graphs: Mapping[str, Path], runtime: EngineName, opener: Opener = open_engine
) -> ParityReport:
    """The whole routed system, with these graphs by part. Raises EngineError for one that does not open."""
    bundle = job.bundle
    files = {bundle.path(file): graphs.get(part, bundle.path(file)) for part, file in parts(bundle.schema)}
    model = open_model(bundle, EngineSettings(runtime), lambda path, settings: opener(files[path], settings))
    label = job.wish.label if runtime == job.wish.engine else f"{job.wish.label} (its graphs, in ONNX Runtime)"
    return check(replace(model, engine=label), job.parity)


def flip_summary(report: ParityReport, limit: Limit) -> str:
    """The number of flips, the limit and the flipped pieces, on one line."""
    num, names = report.num_pieces, _listed([change.piece_id for change in report.flips])
    counted = f"{len(report.flips)} of {num} decisions flip ({limit.allowed(num)} may)" + (
        f": {names}" if names else ""
    )
    new = f", {len(report.new_passes)} of them defective and PASS now" if report.new_passes else ""
    return f"{counted}{new}; scores differ by at most {report.max_difference:.2g}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
