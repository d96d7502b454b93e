"""Lists the files that a bundle's graphs run from in each variant, each file once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Bundle
from inspector.engines.engine import EngineSettings
from inspector.engines.variants import compiled_variant, parts


class BenchError(ValueError):
    """A benchmark that cannot be run; the message names the request, the choices and a remedy."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One graph as one runtime takes it."""

    part: str
    """An expert, or `head`."""
    form: EngineSettings
    """The first form of the bundle that runs it."""
    runs_as: EngineSettings
    """Less than the form's name says where compiling kept the graph as it was."""
    file: str
    num_bytes: int

    @property
    def key(self) -> str:
        """One of its kind among those of its part."""
        return f"{self.runs_as} {self.file}"


def forms_of(schema: Bundle, threads: int = 1) -> list[EngineSettings]:
    """ONNX Runtime on the exported graphs first, the reference; then OpenVINO on these, then the compiled variants."""
    compiled = [EngineSettings(form.engine, threads, form.precision) for form in schema.compiled]
    return list(dict.fromkeys([EngineSettings("onnx", threads), EngineSettings("openvino", threads), *compiled]))


def chosen(forms: Sequence[EngineSettings], names: Collection[str]) -> list[EngineSettings]:
    """All, or those named by engine or by engine/precision. Raises BenchError."""
    unknown = sorted(set(names) - {name for form in forms for name in (form.name, str(form))})
    if unknown:
        there = ", ".join(map(str, forms))
        raise BenchError(f"the bundle has no {unknown[0]}: it has {there}; make it by `inspector compile`")
    return [form for form in forms if not names or {form.name, str(form)} & set(names)]


def artefacts(bundle: LoadedBundle, forms: Sequence[EngineSettings]) -> list[Artefact]:
    """By part, then in the order of the variants; a file shared by several is listed once."""
    by_file: dict[tuple[str, str, str], Artefact] = {}
    for form in forms:
        for part, runs_as, file in placed(bundle.schema, form):
            artefact = Artefact(part, form, runs_as, file, bundle.path(file).stat().st_size)
            by_file.setdefault((part, runs_as.name, file), artefact)
    order = [part for part, _ in parts(bundle.schema)]
    return sorted(by_file.values(), key=lambda artefact: order.index(artefact.part))


def placed(schema: Bundle, form: EngineSettings) -> Iterator[tuple[str, EngineSettings, str]]:
    """Part, engine label and file; parts without a compiled graph run as exported in ONNX Runtime."""
    compiled = compiled_variant(schema, form)
    graphs = {} if compiled is None else {graph.part: graph for graph in compiled.graphs}
    for part, exported in parts(schema):
        if (graph := graphs.get(part)) is not None:
            yield part, replace(form, precision=graph.precision), graph.file
        else:
            yield part, form if compiled is None else replace(form, name="onnx", precision="fp32"), exported
