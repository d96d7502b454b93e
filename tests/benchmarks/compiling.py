"""Prints the cost of compiling with TensorRT for RTX: seconds and bytes of every graph, without a GPU.

    python -m tests.benchmarks.compiling [--keep FOLDER]

Graphs are those of the demo, and of untrained bundles with ResNet-18 and ViT-S/16; FOLDER keeps these for another run.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from onnx import ModelProto

from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import MANIFEST_NAME, Precision, input_shape
from inspector.compile.graph import kinds, read_graph, share_quantised
from inspector.compile.quantise import quantise
from inspector.compile.tensorrt.build import RTX_TARGETS, BuildError, build, find_compiler
from inspector.compile.tensorrt.compile import for_tensorrt
from inspector.engines.variants import parts
from tests.inspector.compile.jobs import DEMO
from tests.inspector.compile.large import write_large

BATCHES = (1, 2, 4, 8, 16)
LARGE = ("resnet18", "vit_small_patch16_224")
COLUMNS: tuple[tuple[str, Precision, tuple[str, ...]], ...] = (
    ("FP32", "fp32", RTX_TARGETS),
    ("FP16", "fp16", RTX_TARGETS),
    ("INT8", "int8", RTX_TARGETS),
    ("FP16 for 7.5", "fp16", ("7.5",)),
)


def large_bundle(keep: Path, network: str) -> LoadedBundle:
    folder = keep / network
    return load(folder) if (folder / MANIFEST_NAME).exists() else write_large(folder, network)


def in_int8(bundle: LoadedBundle, part: str, model: ModelProto) -> ModelProto | None:
    """None for the head, which stays as it is. One input of noise gives the ranges: only time and size are measured."""
    expert = next((expert for expert in bundle.schema.experts if expert.name == part), None)
    if expert is None:
        return None
    noise = np.random.default_rng(0).normal(size=(1, *input_shape(expert.input))).astype(np.float32)
    return quantise(model, [{"input": noise}], "tensorrt")


def cell(bundle: LoadedBundle, part: str, precision: Precision, targets: tuple[str, ...]) -> str:
    model: ModelProto | None = read_graph(bundle.path(dict(parts(bundle.schema))[part]))
    share = ""
    if precision == "int8" and model is not None:
        model = in_int8(bundle, part, model)
        share = "" if model is None else f", {share_quantised(model):.0%}"
    if model is None:
        return "stays FP32"
    graph = for_tensorrt(model, precision, targets, is_head=part == "head")
    started_s = time.perf_counter()
    try:
        engine = build(graph.SerializeToString(), kinds(graph), BATCHES, find_compiler(targets))
    except BuildError as exc:
        return f"refused: {str(exc).partition(':')[0]}"
    return f"{time.perf_counter() - started_s:.2f} s, {len(engine) / 1e6:.2f} MB{share}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path)
    with tempfile.TemporaryDirectory(prefix="inspector-compiling-") as scratch:
        keep = parser.parse_args().keep or Path(scratch)
        print(f"{find_compiler(()).name}, batches 1 to {BATCHES[-1]}, one engine for {', '.join(RTX_TARGETS)}\n")
        print(f"| graph | ONNX | {' | '.join(name for name, _, _ in COLUMNS)} |\n{'|---' * (len(COLUMNS) + 2)}|")
        for bundle in (load(DEMO), *(large_bundle(keep, network) for network in LARGE)):
            for part, file in parts(bundle.schema):
                cells = [cell(bundle, part, precision, targets) for _, precision, targets in COLUMNS]
                size = f"{bundle.path(file).stat().st_size / 1e6:.2f} MB"
                print(f"| {bundle.schema.name} {part} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
