"""Table: AUC of bundles fitted on good pieces alone, by number of pieces, and the seconds that a fit takes."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from encoders.vision import Weights
from fusion.calibration import Labels, Scores, probability
from fusion.head import FusionHead, Member
from inspector.bundle.schema import Modality
from inspector.dataset.files import read_source, sources_of
from inspector.dataset.labels import modalities_of, own_label
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.statistics.classification import area_under_curve
from inspector.training.experts.defaults import SMALL_BACKBONE
from inspector.training.export import TrainedExpert, write_bundle
from inspector.training.frames import Frames, worst
from inspector.training.good_only.descriptors import (
    Backbone,
    Description,
    Descriptor,
    describe,
    fit,
    make_descriptor,
    read,
    select_rows,
)
from inspector.training.good_only.fit import (
    fit_good_only,
    good_recordings,
)
from inspector.training.good_only.good_pieces import GoodOptions, good_pieces
from inspector.training.good_only.limits import calibrations, fused, held_by_piece, noisy_or_head
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Line, Plot, Table

NUM_SEEDS = 2
COUNTS = (10, 20, 50, 100)
HOW_CHOSEN = (
    "A cold bundle never decides FAIL: limits from good pieces alone would reject good ones, so unusual pieces go to a "
    "person.",
    "Descriptors, strides and sizes were chosen on calibration splits of two seeds, one choice for all sets of a kind. "
    "Limits come from banks fitted again without a fifth of the groups: limits from distances within a single "
    "whitening and bank failed on new pictures.",
)
ALONE = 50
"""Good pieces in the timed fit, which reads and writes files as the command does."""
COLUMNS = (
    "set",
    "good pieces",
    "recordings",
    "camera AUC",
    "sensor AUC",
    "fused AUC",
    "good to REVIEW",
    "defective PASS",
    "CPU s",
)


@dataclass(frozen=True, eq=False)
class ModalityView:
    """One modality of one set, all its recordings described once."""

    modality: Modality
    descriptor: Descriptor
    good: dict[str, int]
    good_described: Description
    tested: dict[str, int]
    tested_described: Description
    defective: Labels
    cpu_s: float
    """Cost of describing one recording."""


@dataclass(frozen=True)
class Point:
    """Results of one number of good pieces, on one set and seed."""

    recordings: tuple[int, ...]
    modality_auc: tuple[float, ...]
    """AUC by recording, per modality, against the label of that modality."""
    fused: float
    good_held: float
    escapes: float
    cpu_s: float


def run(bench: Bench) -> Table:
    backbone, seeds = _backbone(bench), bench.seeds[:NUM_SEEDS]
    by_count = {
        (name, count): [points[count] for points in per_seed]
        for name in bench.sets()
        for per_seed in [[measure(bench.manifest(name, seed), backbone) for seed in seeds]]
        for count in COUNTS
    }
    alone = {name: alone_s(bench.manifest(name, bench.seeds[0]), backbone) for name in bench.sets()}
    return Table(
        name="cold_start",
        title="Cold start: good pieces alone",
        question="Goal: 50 good pieces give a usable bundle in under a minute (`inspector fit "
        "--good-only`). AUC on the test split, by recording for one modality and by piece for both; mean ± spread over "
        f"benchmark seeds {', '.join(map(str, seeds))}.",
        columns=COLUMNS,
        rows=[_row(name, count, points) for (name, count), points in by_count.items()],
        notes=[*escapes(bench.sets(), by_count), *_notes(alone, backbone)],
        plots=(_plot(bench.sets(), by_count),) if by_count else (),
    )


def _backbone(bench: Bench) -> Backbone | None:
    file = bench.weights.get(SMALL_BACKBONE)
    return None if file is None else Backbone(SMALL_BACKBONE, Weights(file))


def measure(manifest: Path, backbone: Backbone | None) -> dict[int, Point]:
    """By number of good pieces; a smaller draw is the start of a larger one."""
    torch.set_num_threads(1)
    good = good_pieces(manifest, GoodOptions(pieces=max(COUNTS)))
    tested = [row for row in read_manifest(manifest, "test") if row.label != "unknown"]
    views = [_view(manifest.parent, modality, good, tested, backbone) for modality in modalities_of(good)]
    return {count: _point(manifest.parent, good[:count], tested, views) for count in COUNTS}


def _view(
    root: Path, modality: Modality, good: Sequence[PieceRow], tested: Sequence[PieceRow], backbone: Backbone | None
) -> ModalityView:
    recordings = good_recordings(root, good, modality)
    descriptor = make_descriptor(recordings, backbone)
    start = time.process_time()
    described = describe(descriptor, recordings.recordings, lambda done, total: None)
    cpu_s = (time.process_time() - start) / len(recordings.recordings)
    labels = {s.path: own_label(r, modality) or r.label for r in tested for s in sources_of(r, modality.name)}
    sources = {s.path: s for r in tested for s in sources_of(r, modality.name)}
    return ModalityView(
        modality,
        descriptor,
        {path: index for index, path in enumerate(recordings.paths)},
        described,
        {path: index for index, path in enumerate(sources)},
        describe(descriptor, [read_source(root, s) for s in sources.values()], lambda done, total: None),
        np.array([labels[path] == "nok" for path in sources]),
        cpu_s,
    )


def _point(root: Path, good: Sequence[PieceRow], tested: Sequence[PieceRow], views: Sequence[ModalityView]) -> Point:
    experts, held, logits, recordings, cpu_s = [], [], [], [], 0.0
    for view in views:
        used = good_recordings(root, good, view.modality)
        start = time.process_time()
        fitted = fit(
            view.descriptor, select_rows(view.good_described, [view.good[path] for path in used.paths]), used.groups
        )
        cpu_s += time.process_time() - start + view.cpu_s * len(used.paths)
        experts.append(TrainedExpert(view.descriptor.config, view.descriptor.form, fitted.module))
        held.append((used, fitted.held))
        logits.append(read(fitted.module, view.tested_described).logits[:, 0])
        recordings.append(len(used.paths))
    head = noisy_or_head([Member(e.modality, e.num_tokens) for e in experts])
    limits = calibrations(experts, head, held_by_piece(good, held))[-1]
    scores, labels = _judged(tested, views, logits, head)
    modality_auc = [area_under_curve(_scores(column), s.defective) for column, s in zip(logits, views, strict=True)]
    return Point(
        tuple(recordings),
        tuple(modality_auc),
        area_under_curve(scores, labels),
        float(np.mean(scores[~labels] >= limits.pass_below)),
        float(np.mean(scores[labels] < limits.pass_below)),
        cpu_s,
    )


def _judged(
    tested: Sequence[PieceRow], views: Sequence[ModalityView], logits_by_view: Sequence[Tensor], head: FusionHead
) -> tuple[Scores, Labels]:
    """Fused scores and labels of the test pieces that have every modality."""
    frames = [[_frames(row, view) for view in views] for row in tested]
    whole = [index for index, row_frames in enumerate(frames) if all(row_frames)]
    columns = [
        logits[worst(logits, [frames[index][number] for index in whole])]
        for number, logits in enumerate(logits_by_view)
    ]
    with torch.no_grad():
        logits = fused(head, torch.stack(columns, dim=1), torch.ones(len(views)))
    return probability(_scores(logits), 1.0, 0.0), np.array([tested[index].label == "nok" for index in whole])


def _frames(row: PieceRow, view: ModalityView) -> Frames:
    return tuple(view.tested[source.path] for source in sources_of(row, view.modality.name))


def _scores(logits: Tensor) -> Scores:
    return logits.double().numpy()


def alone_s(manifest: Path, backbone: Backbone | None) -> tuple[float, float]:
    """CPU-seconds of fitting on 50 good pieces and of writing the bundle: the command's work after its imports."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        draft = fit_good_only(
            manifest, GoodOptions(pieces=ALONE, backbone=backbone), lambda stage, done, total: None
        ).bundle
        fitted = time.process_time()
        write_bundle(Path(folder) / "bundle", draft)
        return fitted - start, time.process_time() - fitted


def _row(name: str, count: int, points: Sequence[Point]) -> list[str]:
    return [
        name,
        str(count),
        " / ".join(f"{fmean(counts):.0f}" for counts in zip(*(p.recordings for p in points), strict=True)),
        spread([p.modality_auc[0] for p in points]),
        spread([p.modality_auc[-1] for p in points]),
        spread([p.fused for p in points]),
        spread([p.good_held for p in points]),
        spread([p.escapes for p in points]),
        f"{fmean(p.cpu_s for p in points):.1f}",
    ]


def escapes(names: Sequence[str], by_count: Mapping[tuple[str, int], Sequence[Point]]) -> list[str]:
    most = max(COUNTS)
    return [
        f"{name}: from {most} good pieces {fmean(p.escapes for p in by_count[name, most]):.0%} of the defective pieces "
        "PASS: a cold bundle alone does not protect a line."
        for name in names
    ]


def _notes(alone: Mapping[str, tuple[float, float]], backbone: Backbone | None) -> list[str]:
    return [
        *(
            f"{name}: {ALONE} good pieces with the whole command took {fitted:.1f} CPU-seconds to fit and "
            f"{written:.1f} to write the graphs (one thread; the import of torch, some 5 s, is extra)."
            for name, (fitted, written) in alone.items()
        ),
        f"Cameras by {backbone.name}."
        if backbone
        else "No weights were given: cameras by fixed filters, which see little.",
        "Recordings of camera / sensor: a set with fewer good recordings than the number of pieces contributes "
        "all of them.",
        "CPU s: describing the recordings and fitting, without writing the graphs.",
        *HOW_CHOSEN,
    ]


def _plot(sets: Sequence[str], by_count: Mapping[tuple[str, int], Sequence[Point]]) -> Plot:
    lines = [Line(name, COUNTS, [fmean(p.fused for p in by_count[name, count]) for count in COUNTS]) for name in sets]
    return Plot("cold_start", "Cold start from good pieces alone", "good pieces", "AUC, both modalities", lines)
