"""Creates the parity set of a bundle: the pieces nearest its limits and a random sample, with predictions of torch.

The oracle runs the trained torch modules behind the serving code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from pathlib import Path

import numpy as np
import torch

from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, input_shape
from inspector.dataset.good_class import as_trained
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.engines.engine import Engine, EngineSettings, Port
from inspector.engines.torch_oracle import TorchEngine
from inspector.evaluation.observations import observe
from inspector.inference.batching import MAX_BATCH
from inspector.inference.model import Model, expert_outputs, head_inputs, open_model
from inspector.parity.archive import ParitySet, set_of
from inspector.parity.evaluate import Judgement, judge
from inspector.parity.schema import ENOUGH_PIECES, About
from inspector.parity.write import Judged, add_set
from inspector.training.export import FlatHead, TrainedBundle
from streams.observation import Observation

MAX_RAW_BYTES = 2**29
"""Of all pieces of a set, decoded: 300 colour pictures of 768 x 768 px, or 13 strips of 2048 x 20000 px in grey."""
SEEN = (
    "the encoders were fitted on these pieces too (refit): differences between engines show less on them than on "
    "others, so INT8 is not compiled with them"
)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Number of pieces, the seed of the random sample, and a bound on the pieces' decoded size."""

    num_pieces: int = ENOUGH_PIECES
    seed: int = 0
    max_bytes: int = MAX_RAW_BYTES


def add_parity_set(
    folder: Path, trained: TrainedBundle, manifest: Path, sampling: Sampling, progress: Callable[[int, int], None]
) -> ParitySet:
    """Adds a parity set to the bundle written from `trained`. Raises ManifestError, ParityError, BundleError."""
    rows = as_trained(trained.provenance, read_manifest(manifest))
    rows, model = [row for row in rows if row.split == "calibration"], oracle(folder, trained)
    judgements: list[Judgement] = []
    sizes: list[int] = []
    for start in range(0, len(rows), MAX_BATCH):
        pieces = [observe(manifest.parent, row) for row in rows[start : start + MAX_BATCH]]
        judgements += judge(model, pieces)
        sizes += map(_num_bytes, pieces)
        progress(len(judgements), len(rows))
    nearest = nearest_limits(judgements, (min(sampling.num_pieces, len(rows)) + 1) // 2)
    others = _random_sample(set(range(len(rows))) - nearest, sampling.num_pieces - len(nearest), sampling.seed)
    by_distance = sorted(nearest, key=lambda index: (_distance(judgements[index]), index))
    chosen, notes = within_bytes(by_distance, others, sizes, sampling.max_bytes)
    if trained.certificate is not None and not trained.certificate.of_these_encoders:
        notes = (SEEN, *notes)
    about = About(
        bundle=trained.name,
        version=trained.version,
        oracle=f"torch {torch.__version__}",
        seed=sampling.seed,
        num_calibration=len(rows),
        num_nearest=len(nearest.intersection(chosen)),
        notes=notes,
    )
    add_set(load(folder), about, _judged(manifest.parent, rows, judgements, chosen))
    return set_of(load(folder))


def within_bytes(
    nearest: Sequence[int], others: Sequence[int], sizes: Sequence[int], max_bytes: int
) -> tuple[list[int], tuple[str, ...]]:
    """Indices of both kinds by turns, the first of each first, as far as `sizes` allow; one at least. And what to say
    where that is not all."""
    order = [index for pair in zip_longest(nearest, others) for index in pair if index is not None]
    total = [*accumulate(sizes[index] for index in order)]
    num = max(sum(size <= max_bytes for size in total), min(1, len(order)))
    if num == len(order):
        return sorted(order), ()
    note = (
        f"{num} of {len(order)} pieces: more would hold over {max_bytes / 2**20:.0f} MiB of recordings, as large "
        "pictures do; with so few, smaller differences between engines may stay unseen"
    )
    return sorted(order[:num]), (note,)


def _num_bytes(piece: Observation) -> int:
    """Decoded, which no lossless file exceeds by much."""
    images = sum(image.nbytes for view in piece.views.values() for image in view.images)
    return images + sum(clip.samples.nbytes for clip in piece.clips.values() if clip.samples is not None)


def oracle(folder: Path, trained: TrainedBundle) -> Model:
    """The written bundle with torch modules in place of its graphs."""
    bundle = load(folder)
    engines = _engines(bundle.schema, trained)
    return open_model(bundle, EngineSettings("torch"), lambda path, _: engines[path.name])


def _engines(schema: Bundle, trained: TrainedBundle) -> dict[str, Engine]:
    """Engines by the graph file that each one replaces."""
    modules = {expert.name: expert.module for expert in trained.experts}
    outputs = (Port("logits", (None, 1 + len(schema.classes))), Port("gate", (None, len(schema.experts))))
    engines: dict[str, Engine] = {schema.head.file: TorchEngine(FlatHead(trained.head), head_inputs(schema), outputs)}
    for expert in schema.experts:
        inputs = (Port("input", (None, *input_shape(expert.input))),)
        engines[expert.file] = TorchEngine(modules[expert.name], inputs, expert_outputs(schema, expert))
    return engines


def nearest_limits(judgements: Sequence[Judgement], num: int) -> set[int]:
    """Indices of the `num` pieces whose scores are nearest to one of their limits; pieces without a score rank last."""
    return set(sorted(range(len(judgements)), key=lambda index: (_distance(judgements[index]), index))[:num])


def _distance(judgement: Judgement) -> float:
    score, limits = judgement.prediction.score, judgement.limits
    return np.inf if score is None or limits is None else min(abs(score - limit) for limit in limits)


def _random_sample(others: set[int], num: int, seed: int) -> list[int]:
    drawn = np.random.default_rng(seed).permutation(sorted(others))
    return [int(index) for index in drawn[: max(num, 0)]]


def _judged(
    root: Path, rows: Sequence[PieceRow], judgements: Sequence[Judgement], chosen: Sequence[int]
) -> Iterator[Judged]:
    """Reads the pieces again one by one, since all of them may not fit into memory."""
    for index in chosen:
        yield Judged(observe(root, rows[index]), rows[index].label, judgements[index].prediction)
