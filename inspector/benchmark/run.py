"""Measures a bundle in all forms that this machine can run: graph by graph, decisions, end to end. Writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.benchmark.artefacts import BenchError, chosen, forms_of, placed
from inspector.benchmark.gpu import open_gpu_meter
from inspector.benchmark.graphs import Models, graph_rows
from inspector.benchmark.line import line_row
from inspector.benchmark.load_generator import Load
from inspector.benchmark.machine import machine
from inspector.benchmark.pieces import BenchmarkPieces, choose_pieces
from inspector.benchmark.report import FormRow, LineRow, Report
from inspector.benchmark.settings import BenchSettings, Progress
from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import Bundle, Parity
from inspector.engines.choice import one_line, options
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.variants import compiled_variant
from inspector.inference.model import Model, open_model
from inspector.parity.archive import ParitySet, set_of
from inspector.parity.gate import GateSettings, check


@dataclass(frozen=True, slots=True)
class Opened:
    """Forms that run here with their models, the reference first; why the others do not."""

    models: Models
    why_not: dict[EngineSettings, str]


def measure(folder: Path, settings: BenchSettings, progress: Progress) -> Report:
    """Raises BundleError, BenchError, ParityError; EngineError for a graph that fails as it runs."""
    here, bundle = machine(settings.threads), load(folder)
    forms = forms_of(bundle.schema, settings.threads)
    selected = chosen(forms, settings.engines)
    opened = _open(bundle, list(dict.fromkeys([forms[0], *selected])))
    parity_set = None if bundle.schema.parity_set is None else set_of(bundle)
    gpu_meter = open_gpu_meter(bundle, settings.checkpoint)
    graphs = graph_rows(bundle, opened.models, settings, gpu_meter, progress)
    rows = [_form_row(bundle, form, opened, parity_set, progress) for form in selected]
    offered = choose_pieces(bundle.schema, parity_set)
    judging = [model for form, model in opened.models.items() if form in selected]
    line = list(_line(judging, offered, settings, progress))
    name = f"{bundle.schema.name} {bundle.schema.version}"
    return Report(name, bundle.digest, here, rows, graphs, line, _notes(offered, settings))


def _open(bundle: LoadedBundle, forms: Sequence[EngineSettings]) -> Opened:
    """Raises BenchError where the reference does not run."""
    models: dict[EngineSettings, Model] = {}
    why_not: dict[EngineSettings, str] = {}
    for option in options(bundle, forms):
        try:
            if not (fault := option.why_not):
                models[option.settings] = open_model(bundle, option.settings)
        except EngineError as exc:
            fault = one_line(exc)
        why_not[option.settings] = fault
    if fault := why_not[forms[0]]:
        raise BenchError(f"{forms[0]}, which all others are compared with, does not run here: {fault}")
    return Opened(models, why_not)


def _form_row(
    bundle: LoadedBundle, form: EngineSettings, opened: Opened, parity_set: ParitySet | None, progress: Progress
) -> FormRow:
    files = {file for _, _, file in placed(bundle.schema, form)}
    model, parity = opened.models.get(form), None
    if model is not None and parity_set is not None:
        parity = _parity(model, parity_set, progress)
    return FormRow(
        form=str(form),
        num_bytes=sum(bundle.path(file).stat().st_size for file in files),
        why_not=opened.why_not[form],
        parity=parity,
        kept=list(_kept(bundle.schema, form)),
    )


def _parity(model: Model, parity_set: ParitySet, progress: Progress) -> Parity:
    stage = f"decisions of {model.engine}"
    settings = GateSettings(progress=lambda done, total: progress(stage, done, total))
    return check(model, parity_set, settings).parity()


def _kept(schema: Bundle, form: EngineSettings) -> Iterator[str]:
    """Graphs that run otherwise than the form's name says, with the compiler's reason."""
    compiled = compiled_variant(schema, form)
    why = {} if compiled is None else {graph.part: graph.why for graph in compiled.graphs}
    for part, runs_as, _ in placed(schema, form):
        if str(runs_as) != str(form):
            yield f"{part} runs as {runs_as}{': ' if why.get(part) else ''}{why.get(part, '')}"


def _line(
    models: Sequence[Model], offered: BenchmarkPieces, settings: BenchSettings, progress: Progress
) -> Iterator[LineRow]:
    todo = [(model, rate) for model in models for rate in settings.rates]
    for done, (model, rate) in enumerate(todo):
        progress("end to end", done, len(todo))
        yield line_row(model, offered.pieces, Load(rate, settings.seconds))
    progress("end to end", len(todo), len(todo))


def _notes(offered: BenchmarkPieces, settings: BenchSettings) -> list[str]:
    return [
        "Times of graphs are medians; all ways to run a graph took turns in one run, so that ratios hold where the "
        "milliseconds are another load's. `x by CPU` compares processor time of all threads, which other processes "
        "disturb least; `pieces/CPU-s` is by that too.",
        "Memory is of one session at batch 1, in a fresh process after a tiny session, heap trimmed: private bytes "
        "that stay, and resident bytes at the peak.",
        "Flips are counted by the parity gate on this machine against torch's decisions; in brackets the "
        "bound at 95 %.",
        f"End to end: {offered.description}; offered for {settings.seconds:g} s at each rate on one thread, "
        "open loop: pieces come whether or not the judge is ready; latency from the moment a piece was due to its "
        "verdict, with evidence, without decoding and log. A batch is one call of the judge.",
        "`x torch`: times as fast as torch on the same GPU, eager and compiled, in the form's precision, copies "
        "included. `roofline`: share of the speed that the GPU's peak allows, by the products of the graph and the "
        "bytes of its weights, inputs and outputs. `mJ/piece`: of the whole GPU, by NVML.",
    ]
