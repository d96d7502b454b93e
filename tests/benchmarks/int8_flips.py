"""Counts the decisions on test pieces that INT8 changes, after `inspector compile` chose graphs on calibration pieces.

    python -m tests.benchmarks.int8_flips BUNDLE=MANIFEST [BUNDLE=MANIFEST ...] [--engine onnx]

A bundle without a parity set gets one of up to 300 calibration pieces, with ONNX Runtime in FP32 as the oracle. Bundles
are copied, and stay as they are. The last line pools the test pieces of those that got INT8.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from fusion.certificate import rate_below
from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import CompiledFor
from inspector.compile.compile import compile_bundle
from inspector.compile.job import CompileError, Wish
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import observe
from inspector.inference.batching import MAX_BATCH
from inspector.inference.model import Model, open_model
from inspector.parity.evaluate import Judgement, judge
from inspector.parity.schema import ENOUGH_PIECES, About
from inspector.parity.write import Judged, add_set
from streams.observation import Observation


def judged(model: Model, root: Path, rows: Sequence[PieceRow]) -> Iterator[tuple[PieceRow, Observation, Judgement]]:
    for start in range(0, len(rows), MAX_BATCH):
        batch = rows[start : start + MAX_BATCH]
        pieces = [observe(root, row) for row in batch]
        yield from zip(batch, pieces, judge(model, pieces), strict=True)


def with_parity_set(folder: Path, manifest: Path) -> LoadedBundle:
    bundle = load(folder)
    if bundle.schema.parity_set is None:
        rows = read_manifest(manifest, "calibration")
        chosen = rows[:: max(1, len(rows) // ENOUGH_PIECES)][:ENOUGH_PIECES]
        model = open_model(bundle, EngineSettings("onnx"))
        pieces = [
            Judged(piece, row.label, judgement.prediction)
            for row, piece, judgement in judged(model, manifest.parent, chosen)
        ]
        about = About(
            bundle=bundle.schema.name,
            version=bundle.schema.version,
            oracle="ONNX Runtime",
            seed=0,
            num_calibration=len(rows),
            num_nearest=0,
        )
        add_set(bundle, about, pieces)
    return load(folder)


def flips(bundle: LoadedBundle, engine: CompiledFor, manifest: Path) -> tuple[int, int, int]:
    """Test pieces, decisions that flip, and defective pieces among these that PASS now."""
    rows = read_manifest(manifest, "test")
    full, eighth = (
        open_model(bundle, settings) for settings in (EngineSettings("onnx"), EngineSettings(engine, precision="int8"))
    )
    before = [judgement.prediction.decision for _, _, judgement in judged(full, manifest.parent, rows)]
    after = [judgement.prediction.decision for _, _, judgement in judged(eighth, manifest.parent, rows)]
    changed = [(row, now) for row, old, now in zip(rows, before, after, strict=True) if old != now]
    return len(rows), len(changed), sum(row.label == "nok" and now == "PASS" for row, now in changed)


def compiled(folder: Path, engine: CompiledFor, manifest: Path) -> LoadedBundle | None:
    """None where INT8 gains nothing; the reasons are printed."""
    try:
        form, _ = compile_bundle(with_parity_set(folder, manifest), Wish(engine, "int8"), lambda part, doing: None)
    except CompileError as exc:
        print(f"{folder.name}: {exc}", flush=True)
        return None
    print("\n".join(f"{folder.name}: {g.part} {g.precision}: {g.why}" for g in form.graphs), flush=True)
    return load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="BUNDLE=MANIFEST")
    parser.add_argument("--engine", choices=["onnx", "openvino"], default="onnx")
    options = parser.parse_args()
    total, flipped, passed = 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="inspector-flips-") as scratch:
        for number, pair in enumerate(options.pairs, 1):
            source, manifest = map(Path, pair.split("="))
            folder = shutil.copytree(source, Path(scratch, f"{number}-{load(source).schema.name}"))
            bundle = compiled(folder, cast(CompiledFor, options.engine), manifest)
            if bundle is None:
                print(f"{folder.name}: runs as it was exported, and nothing can flip", flush=True)
                continue
            counts = flips(bundle, cast(CompiledFor, options.engine), manifest)
            print(f"{folder.name}: {counts[1]} of {counts[0]} test pieces flip, {counts[2]} new PASS", flush=True)
            total, flipped, passed = total + counts[0], flipped + counts[1], passed + counts[2]
    bound = rate_below(total, flipped, 0.95) if total else 1.0
    print(f"pooled, with INT8: {flipped} of {total} flip, {passed} new PASS; at most {bound:.2%} flip, at 95 %")


if __name__ == "__main__":
    main()
