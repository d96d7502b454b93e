"""Finds the file that each graph of a bundle runs from, for an engine and a precision."""

from collections.abc import Iterator

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import Bundle, Compiled, CompiledGraph
from inspector.engines.engine import EngineSettings, NotCompiledError
from inspector.engines.tensorrt.engine_file import EngineFile


def compiled_variant(schema: Bundle, settings: EngineSettings) -> Compiled | None:
    """The variant compiled for this engine and precision."""
    return next((c for c in schema.compiled if (c.engine, c.precision) == (settings.name, settings.precision)), None)


def check_compiled(schema: Bundle, settings: EngineSettings) -> None:
    """Exported graphs are float32, and run as they are in all runtimes but TensorRT. Raises NotCompiledError."""
    needed = settings.name == "tensorrt" or settings.precision != "fp32"
    if needed and compiled_variant(schema, settings) is None:
        raise NotCompiledError(
            f"the bundle is not compiled for it; inspector compile BUNDLE --engine {settings.name} "
            f"--precision {settings.precision}"
        )


def engine_file(bundle: LoadedBundle, form: Compiled, graph: CompiledGraph) -> EngineFile:
    digest = bundle.schema.files[graph.file]
    return EngineFile(bundle.path(graph.file), digest, form.compiler, form.targets, form.batches)


def parts(schema: Bundle) -> Iterator[tuple[str, str]]:
    """Name and exported file of every graph."""
    yield from ((expert.name, expert.file) for expert in schema.experts)
    yield "head", schema.head.file
