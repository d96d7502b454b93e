"""Turns a bundle into a model: every graph open in an engine, and found to be what the bundle says. Judges nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.load import BundleError, LoadedBundle
from inspector.bundle.schema import Bundle, Calibration, Expert, ImageInput
from inspector.engines.engine import Engine, EngineSettings, Port
from inspector.engines.factory import open_engine, trim_memory

Opener = Callable[[Path, EngineSettings], Engine]


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

    @property
    def schema(self) -> Bundle:
        return self.bundle.schema


def open_model(bundle: LoadedBundle, settings: EngineSettings, opener: Opener = open_engine) -> Model:
    """Raises EngineError for a graph that cannot be loaded, BundleError for one that is not what the bundle says."""
    schema = bundle.schema
    model = Model(
        bundle=bundle,
        engine=f"{settings.name}/{schema.provenance.get('precision', 'fp32')}",
        experts={expert.name: opener(bundle.path(expert.file), settings) for expert in schema.experts},
        head=opener(bundle.path(schema.head.file), settings),
        calibrations={frozenset(calibration.experts): calibration for calibration in schema.calibrations},
    )
    trim_memory()
    findings = list(_mismatches(model))
    if findings:
        raise BundleError("\n".join(f"bundle {bundle.folder}: {finding}" for finding in findings))
    return model


def _mismatches(model: Model) -> Iterator[str]:
    schema = model.schema
    for expert in schema.experts:
        engine = model.experts[expert.name]
        yield from _ports(f"{expert.file} input", engine.inputs, [Port("input", (None, *_input_shape(expert)))])
        yield from _ports(f"{expert.file} output", engine.outputs, expert_outputs(schema, expert))
    yield from _ports(f"{schema.head.file} input", model.head.inputs, head_inputs(schema))
    outputs = [Port("logits", (None, 1 + len(schema.classes))), Port("gate", (None, len(schema.experts)))]
    yield from _ports(f"{schema.head.file} output", model.head.outputs, outputs)


def _input_shape(expert: Expert) -> tuple[int, ...]:
    form = expert.input
    if isinstance(form, ImageInput):
        return form.rows * form.cols, form.num_channels, form.tile_height_px, form.tile_width_px
    return form.num_channels, form.num_samples


def expert_outputs(schema: Bundle, expert: Expert) -> list[Port]:
    """What an expert's graph answers, batch first."""
    return [
        Port("tokens", (None, expert.num_tokens, schema.token_dim)),
        Port("logits", (None, 1 + len(schema.classes))),
        Port("relevance", (None, None, None)),
    ]


def head_inputs(schema: Bundle) -> list[Port]:
    """What the head's graph asks for, batch first."""
    tokens = [Port(f"tokens_{e.name}", (None, e.num_tokens, schema.token_dim)) for e in schema.experts]
    logits = [Port(f"logits_{e.name}", (None, 1 + len(schema.classes))) for e in schema.experts]
    return [*tokens, *logits, Port("present", (None, len(schema.experts)))]


def _ports(what: str, found: Sequence[Port], expected: Sequence[Port]) -> Iterator[str]:
    shapes = {port.name: port.shape for port in found}
    for name in sorted(shapes.keys() ^ {port.name for port in expected}):
        fault = "is unexpected" if name in shapes else "is absent"
        yield f"{what} {name!r} {fault}: the graph has {sorted(shapes)}; export the bundle again"
    for name, wanted in expected:
        shape = shapes.get(name, wanted)
        if not _fits(shape, wanted):
            yield f"{what} {name!r} has shape {_text(shape)}, expected {_text(wanted)}; export the bundle again"


def _fits(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """The batch must be free; elsewhere a size that is not fixed fits any."""
    if len(shape) != len(wanted) or shape[0] is not None:
        return False
    return all(size is None or want is None or size == want for size, want in zip(shape, wanted, strict=True))


def _text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
