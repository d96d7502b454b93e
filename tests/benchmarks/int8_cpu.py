"""Prints the gain of INT8 on this machine's processor: speed and memory of each expert, in ONNX Runtime and OpenVINO.

    python -m tests.benchmarks.int8_cpu [--keep FOLDER] [--rounds 20]

Experts are a ResNet-18 and a small MobileNetV3 with random weights at 224 px, and the demo's. FP32 and INT8 of one
runtime take turns of four runs, batch 1, one thread; processor time, with caches as warm as one graph alone leaves
them. As in `inspector compile`, the fastest INT8 graph is used, with or without the first and the last product. Memory
is that of a session in a fresh process, as private bytes once freed heap went back, three times; the peak while it
loads and runs is given as well.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from inspector.benchmark.artefacts import Artefact, artefacts
from inspector.benchmark.memory import Memory, measure_memory
from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import CompiledFor, Expert, input_shape
from inspector.compile.add_to_bundle import add_form
from inspector.compile.cpu import speeds
from inspector.compile.float_layers import FLOAT_LAYER_RULES
from inspector.compile.graph import read_graph, share_quantised
from inspector.compile.int8_selection import FASTER
from inspector.compile.job import CompiledVariant, GraphArtifact, Wish
from inspector.compile.quantise import Feed, quantisable, quantise
from inspector.engines.engine import EngineSettings
from inspector.engines.factory import open_engine
from inspector.engines.timing import Pace, inputs_for, interleaved
from inspector.parity.report import ParityReport
from tests.benchmarks.compiling import large_bundle
from tests.inspector.compile.jobs import DEMO

LARGE = ("resnet18", "mobilenetv3_small_100")
RUNTIMES: tuple[CompiledFor, ...] = ("onnx", "openvino")
NUM_RUNS = 3
NOT_RUN = ParityReport(bundle="", engine="", num_pieces=1, num_calibration=1, max_difference=0.0, changes=())
"""Decisions of random weights mean nothing and only speed is measured, so the gate is left out, only here."""


def with_int8(bundle: LoadedBundle, scratch: Path) -> LoadedBundle:
    """A copy whose experts are all in INT8, for both runtimes."""
    folder = scratch / bundle.schema.name
    shutil.copytree(bundle.folder, folder)
    for runtime in RUNTIMES:
        graphs = tuple(_int8_graph(bundle, expert, runtime, scratch) for expert in bundle.schema.experts)
        add_form(load(folder), Wish(runtime, "int8"), CompiledVariant("benchmark", (), (), graphs, NOT_RUN))
    return load(folder)


def _int8_graph(bundle: LoadedBundle, expert: Expert, runtime: CompiledFor, scratch: Path) -> GraphArtifact:
    exported = bundle.path(expert.file)
    model, noise = read_graph(exported), list(_noise(expert))
    products = quantisable(model)
    paths: list[Path] = []
    for omission in FLOAT_LAYER_RULES:
        if set(products) > omission.of(products):
            paths.append(scratch / f"{bundle.schema.name}-{expert.name}-{runtime}{omission.suffix}.onnx")
            onnx.save(quantise(model, noise, runtime, omission.of(products)), paths[-1])
    paces = speeds(runtime, exported, paths, noise[0])
    path = paths[max(range(len(paths)), key=lambda index: paces[index].ratio)]
    return GraphArtifact(expert.name, path, "int8", 0.0, share_quantised(onnx.load(path)))


def _noise(expert: Expert) -> Iterator[Feed]:
    rng = np.random.default_rng(0)
    for _ in range(4):
        yield {"input": rng.normal(size=(1, *input_shape(expert.input))).astype(np.float32)}


def row(bundle: LoadedBundle, expert: Expert, rounds: int) -> str:
    forms = [EngineSettings(runtime, precision=precision) for runtime in RUNTIMES for precision in ("fp32", "int8")]
    by_variant = {str(a.runs_as): a for a in artefacts(bundle, forms) if a.part == expert.name}
    memory = {
        name: [measure_memory(bundle, artefact) for _ in range(NUM_RUNS)] for name, artefact in by_variant.items()
    }
    cells = [f"{bundle.schema.name} {expert.name}"]
    for runtime in RUNTIMES:
        full, eighth = _times_ms(
            bundle, [by_variant[f"{runtime}/{precision}"] for precision in ("fp32", "int8")], rounds
        )
        kept = "" if full / eighth >= FASTER else " (refused)"
        cells += [f"{full:.3g} -> {eighth:.3g} ms, {full / eighth:.2f} x{kept}"]
        cells += [_memory(memory[f"{runtime}/fp32"], memory[f"{runtime}/int8"])]
    return f"| {' | '.join(cells)} |"


def _times_ms(bundle: LoadedBundle, variants: Sequence[Artefact], rounds: int) -> list[float]:
    """Of one runtime's graphs, in turn: those of another would push their weights out of the caches."""
    engines = [open_engine(bundle.path(artefact.file), artefact.runs_as) for artefact in variants]
    runs = {str(number): partial(engine.run, inputs_for(engine.inputs, 1)) for number, engine in enumerate(engines)}
    return [time.median_cpu_ms for time in interleaved(runs, Pace(min_rounds=rounds, max_rounds=rounds)).values()]


def _memory(full: list[Memory | None], eighth: list[Memory | None]) -> str:
    held = [[m.held_bytes / 2**20 for m in runs if m is not None] for runs in (full, eighth)]
    peaks = [max((m.peak_bytes / 2**20 for m in runs if m is not None), default=0.0) for runs in (full, eighth)]
    if not all(held) or min(held[0]) < 1:
        return "too small to tell"
    less = 1 - np.median(held[1]) / np.median(held[0])
    measured = " -> ".join(", ".join(f"{value:.1f}" for value in values) for values in held)
    return f"{measured} MiB ({less:.0%} less); peak {peaks[0]:.0f} -> {peaks[1]:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    titles = [f"{runtime} {what}" for runtime in RUNTIMES for what in ("FP32 -> INT8", "memory held")]
    with tempfile.TemporaryDirectory(prefix="inspector-int8-") as scratch:
        keep = options.keep or Path(scratch, "exported")
        print(f"| expert | {' | '.join(titles)} |\n{'|---' * (len(titles) + 1)}|")
        for exported in (*(large_bundle(keep, network) for network in LARGE), load(DEMO)):
            bundle = with_int8(exported, Path(scratch))
            for expert in bundle.schema.experts:
                print(row(bundle, expert, options.rounds), flush=True)


if __name__ == "__main__":
    main()
