"""Turns a bundle into a model: opens every graph in an engine and checks it against the bundle's schema."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

from fusion.compiled_policy import CompiledPolicy
from inspector.bundle.load import BundleError, LoadedBundle
from inspector.bundle.schema import Bundle, Calibration, Expert, input_shape
from inspector.engines.engine import Engine, EngineSettings, Port
from inspector.engines.factory import open_engine, trim_memory
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import TensorRtEngine, load_api
from inspector.engines.variants import check_compiled, compiled_variant, engine_file, parts
from inspector.framing.framer import Framer, framers

Opener = Callable[[Path, EngineSettings], Engine]


@dataclass(slots=True, eq=False)
class FallbackState:
    """The model on ONNX Runtime that replaces one whose device failed; None while the device works."""

    lock: Lock = field(default_factory=Lock)
    model: "Model | None" = None


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle with its engines."""

    bundle: LoadedBundle
    engine: str
    """Engine and precision, such as onnx/fp32."""
    experts: Mapping[str, Engine]
    head: Engine
    calibrations: Mapping[frozenset[str], Calibration]
    """By the experts that ran."""
    settings: EngineSettings
    refused: tuple[str, ...] = ()
    """Compiled forms that came before it in the order and may not judge here, by engine and precision."""
    fallback: FallbackState = field(init=False, default_factory=FallbackState, repr=False, compare=False)
    routes: CompiledPolicy = field(init=False, repr=False, compare=False)
    """The bundle's policy."""
    framers: Mapping[str, Framer] = field(init=False, repr=False, compare=False)
    """Of the cameras of which a part is judged, or whose pictures are aligned."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "routes", CompiledPolicy(self.schema.policy, self.schema.experts))
        object.__setattr__(self, "framers", framers(self.schema.modalities))

    @property
    def schema(self) -> Bundle:
        return self.bundle.schema


def open_model(
    bundle: LoadedBundle, settings: EngineSettings, opener: Opener = open_engine, gpu: Callable[[], GpuApi] = load_api
) -> Model:
    """Raises EngineError for a graph that cannot be loaded, BundleError for one that contradicts the schema."""
    schema = bundle.schema
    _check_framing(bundle)
    engines = _engines(bundle, settings, opener, gpu)
    model = Model(
        bundle=bundle,
        engine=str(settings),
        experts={expert.name: engines[expert.name] for expert in schema.experts},
        head=engines["head"],
        calibrations={frozenset(calibration.experts): calibration for calibration in schema.calibrations},
        settings=settings,
    )
    trim_memory()
    findings = list(_mismatches(model))
    if findings:
        raise BundleError("\n".join(f"bundle {bundle.folder}: {finding}" for finding in findings))
    return model


def _check_framing(bundle: LoadedBundle) -> None:
    try:
        framers(bundle.schema.modalities)
    except ValueError as exc:
        raise BundleError(f"bundle {bundle.folder}: {exc}; export the bundle again") from exc


def _engines(
    bundle: LoadedBundle, settings: EngineSettings, opener: Opener, gpu: Callable[[], GpuApi]
) -> dict[str, Engine]:
    """By part. Parts without a compiled graph run as exported in ONNX Runtime, the reference."""
    check_compiled(bundle.schema, settings)
    form = compiled_variant(bundle.schema, settings)
    graphs = {} if form is None else {graph.part: graph for graph in form.graphs}
    exported = settings if form is None else replace(settings, name="onnx", precision="fp32")
    api = gpu() if form is not None and form.engine == "tensorrt" else None
    engines: dict[str, Engine] = {}
    for part, file in parts(bundle.schema):
        graph = graphs.get(part)
        if graph is None:
            engines[part] = opener(bundle.path(file), exported)
        elif form is not None and api is not None:
            engines[part] = TensorRtEngine(engine_file(bundle, form, graph), api)
        else:
            engines[part] = opener(bundle.path(graph.file), settings)
    return engines


def _mismatches(model: Model) -> Iterator[str]:
    schema = model.schema
    for expert in schema.experts:
        engine = model.experts[expert.name]
        yield from _ports(f"{expert.file} input", engine.inputs, [Port("input", (None, *input_shape(expert.input)))])
        yield from _ports(f"{expert.file} output", engine.outputs, expert_outputs(schema, expert))
    yield from _ports(f"{schema.head.file} input", model.head.inputs, head_inputs(schema))
    outputs = [Port("logits", (None, 1 + len(schema.classes))), Port("gate", (None, len(schema.experts)))]
    yield from _ports(f"{schema.head.file} output", model.head.outputs, outputs)


def expert_outputs(schema: Bundle, expert: Expert) -> list[Port]:
    """Outputs of an expert's graph, batch first."""
    return [
        Port("tokens", (None, expert.num_tokens, schema.token_dim)),
        Port("logits", (None, 1 + len(schema.classes))),
        Port("relevance", (None, None, None)),
    ]


def head_inputs(schema: Bundle) -> list[Port]:
    """Inputs of the head's graph, batch first."""
    tokens = [Port(f"tokens_{e.name}", (None, e.num_tokens, schema.token_dim)) for e in schema.experts]
    logits = [Port(f"logits_{e.name}", (None, 1 + len(schema.classes))) for e in schema.experts]
    return [*tokens, *logits, Port("present", (None, len(schema.experts)))]


def _ports(what: str, ports: Sequence[Port], expected: Sequence[Port]) -> Iterator[str]:
    shapes = {port.name: port.shape for port in ports}
    for name in sorted(shapes.keys() ^ {port.name for port in expected}):
        fault = "is unexpected" if name in shapes else "is absent"
        yield f"{what} {name!r} {fault}: the graph has {sorted(shapes)}; export the bundle again"
    for name, expected_shape in expected:
        shape = shapes.get(name, expected_shape)
        if not _fits(shape, expected_shape):
            yield f"{what} {name!r} has shape {_text(shape)}, expected {_text(expected_shape)}; export the bundle again"


def _fits(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """The batch must be free; elsewhere a size that is not fixed fits any."""
    if len(shape) != len(expected) or shape[0] is not None:
        return False
    return all(size is None or want is None or size == want for size, want in zip(shape, expected, strict=True))


def _text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
