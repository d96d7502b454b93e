"""How far good pieces alone lead: AUC on the test split against their number, and the seconds that a fit takes."""

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
    GoodOptions,
    calibrations,
    fit_good_only,
    fused,
    good_pieces,
    good_recordings,
    held_by_piece,
    noisy_or_head,
)
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Line, Plot, Table

NUM_SEEDS = 2
COUNTS = (10, 20, 50, 100)
HOW_CHOSEN = (
    "A cold bundle never says FAIL: limits of good pieces alone would reject good ones, so what is unusual goes to a "
    "person.",
    "Descriptors, strides and sizes were chosen on calibration splits of two seeds, one choice for all sets of a kind. "
    "Limits come from banks made anew without a fifth of the groups: distances within one whitening and bank held on "
    "no new picture.",
)
ALONE = 50
"""Good pieces of the fit that is timed as the command does it, files included."""
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
class Sight:
    """One modality of one set, all its recordings described once."""

    modality: Modality
    eye: Descriptor
    good: dict[str, int]
    good_described: Description
    tested: dict[str, int]
    tested_described: Description
    defective: Labels
    cpu_s: float
    """Of describing one recording."""


@dataclass(frozen=True)
class Point:
    """What one number of good pieces led to, on one set and seed."""

    recordings: tuple[int, ...]
    own: tuple[float, ...]
    """AUC per modality against its own label, by recording."""
    fused: float
    good_held: float
    escapes: float
    cpu_s: float


def run(bench: Bench) -> Table:
    backbone, seeds = _backbone(bench), bench.seeds[:NUM_SEEDS]
    found = {
        (name, count): [points[count] for points in per_seed]
        for name in bench.sets()
        for per_seed in [[measure(bench.manifest(name, seed), backbone) for seed in seeds]]
        for count in COUNTS
    }
    alone = {name: alone_s(bench.manifest(name, bench.seeds[0]), backbone) for name in bench.sets()}
    return Table(
        name="cold_start",
        title="Cold start: good pieces alone",
        asked="A bundle from good pieces alone is usable in under a minute from 50 of them (`inspector fit "
        "--good-only`). AUC on the test split, by recording for one modality and by piece for both; mean ± spread over "
        f"benchmark seeds {', '.join(map(str, seeds))}.",
        columns=COLUMNS,
        rows=[_row(name, count, points) for (name, count), points in found.items()],
        notes=[*escapes(bench.sets(), found), *_notes(alone, backbone)],
        plots=(_plot(bench.sets(), found),) if found else (),
    )


def _backbone(bench: Bench) -> Backbone | None:
    file = bench.weights.get(SMALL_BACKBONE)
    return None if file is None else Backbone(SMALL_BACKBONE, Weights(file))


def measure(manifest: Path, backbone: Backbone | None) -> dict[int, Point]:
    """By number of good pieces; smaller draws are the beginning of larger ones."""
    torch.set_num_threads(1)
    good = good_pieces(manifest, GoodOptions(pieces=max(COUNTS)))
    tested = [row for row in read_manifest(manifest, "test") if row.label != "unknown"]
    sights = [_sight(manifest.parent, modality, good, tested, backbone) for modality in modalities_of(good)]
    return {count: _point(manifest.parent, good[:count], tested, sights) for count in COUNTS}


def _sight(
    root: Path, modality: Modality, good: Sequence[PieceRow], tested: Sequence[PieceRow], backbone: Backbone | None
) -> Sight:
    own = good_recordings(root, good, modality)
    eye = make_descriptor(own, backbone)
    start = time.process_time()
    described = describe(eye, own.recordings, lambda done, total: None)
    cpu_s = (time.process_time() - start) / len(own.recordings)
    labels = {s.path: own_label(r, modality) or r.label for r in tested for s in sources_of(r, modality.name)}
    sources = {s.path: s for r in tested for s in sources_of(r, modality.name)}
    return Sight(
        modality,
        eye,
        {path: index for index, path in enumerate(own.paths)},
        described,
        {path: index for index, path in enumerate(sources)},
        describe(eye, [read_source(root, s) for s in sources.values()], lambda done, total: None),
        np.array([labels[path] == "nok" for path in sources]),
        cpu_s,
    )


def _point(root: Path, good: Sequence[PieceRow], tested: Sequence[PieceRow], sights: Sequence[Sight]) -> Point:
    experts, held, said, recordings, cpu_s = [], [], [], [], 0.0
    for sight in sights:
        own = good_recordings(root, good, sight.modality)
        start = time.process_time()
        fitted = fit(sight.eye, select_rows(sight.good_described, [sight.good[path] for path in own.paths]), own.groups)
        cpu_s += time.process_time() - start + sight.cpu_s * len(own.paths)
        experts.append(TrainedExpert(sight.eye.config, sight.eye.form, fitted.module))
        held.append((own, fitted.held))
        said.append(read(fitted.module, sight.tested_described).logits[:, 0])
        recordings.append(len(own.paths))
    head = noisy_or_head([Member(e.modality, e.num_tokens) for e in experts])
    limits = calibrations(experts, head, held_by_piece(good, held))[-1]
    scores, labels = _judged(tested, sights, said, head)
    own_auc = [area_under_curve(_scores(logits), s.defective) for logits, s in zip(said, sights, strict=True)]
    return Point(
        tuple(recordings),
        tuple(own_auc),
        area_under_curve(scores, labels),
        float(np.mean(scores[~labels] >= limits.pass_below)),
        float(np.mean(scores[labels] < limits.pass_below)),
        cpu_s,
    )


def _judged(
    tested: Sequence[PieceRow], sights: Sequence[Sight], said: Sequence[Tensor], head: FusionHead
) -> tuple[Scores, Labels]:
    """Fused scores and labels of the test pieces that have everything."""
    frames = [[_frames(row, sight) for sight in sights] for row in tested]
    whole = [index for index, own in enumerate(frames) if all(own)]
    columns = [logits[worst(logits, [frames[index][number] for index in whole])] for number, logits in enumerate(said)]
    with torch.no_grad():
        logits = fused(head, torch.stack(columns, dim=1), torch.ones(len(sights)))
    return probability(_scores(logits), 1.0, 0.0), np.array([tested[index].label == "nok" for index in whole])


def _frames(row: PieceRow, sight: Sight) -> Frames:
    return tuple(sight.tested[source.path] for source in sources_of(row, sight.modality.name))


def _scores(logits: Tensor) -> Scores:
    return logits.double().numpy()


def alone_s(manifest: Path, backbone: Backbone | None) -> tuple[float, float]:
    """CPU-seconds of fitting on 50 good pieces, and of writing the bundle: what the command does once it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        draft = fit_good_only(manifest, GoodOptions(pieces=ALONE, backbone=backbone), lambda stage, done, total: None)
        fitted = time.process_time()
        write_bundle(Path(folder) / "bundle", draft)
        return fitted - start, time.process_time() - fitted


def _row(name: str, count: int, points: Sequence[Point]) -> list[str]:
    return [
        name,
        str(count),
        " / ".join(f"{fmean(own):.0f}" for own in zip(*(p.recordings for p in points), strict=True)),
        spread([p.own[0] for p in points]),
        spread([p.own[-1] for p in points]),
        spread([p.fused for p in points]),
        spread([p.good_held for p in points]),
        spread([p.escapes for p in points]),
        f"{fmean(p.cpu_s for p in points):.1f}",
    ]


def escapes(names: Sequence[str], found: Mapping[tuple[str, int], Sequence[Point]]) -> list[str]:
    most = max(COUNTS)
    return [
        f"{name}: from {most} good pieces {fmean(p.escapes for p in found[name, most]):.0%} of the defective pieces "
        "PASS: a cold bundle guards no line alone."
        for name in names
    ]


def _notes(alone: Mapping[str, tuple[float, float]], backbone: Backbone | None) -> list[str]:
    return [
        *(
            f"{name}: {ALONE} good pieces by the command itself took {fitted:.1f} CPU-seconds to fit and {written:.1f} "
            "to write the graphs (one thread; the import of torch, some 5 s, comes on top)."
            for name, (fitted, written) in alone.items()
        ),
        f"Cameras by {backbone.name}."
        if backbone
        else "No weights were given: cameras by fixed filters, which see little.",
        "Recordings of camera / sensor: where a set has fewer good recordings than pieces were asked for, all are "
        "taken.",
        "CPU s: describing the recordings and fitting, without writing the graphs.",
        *HOW_CHOSEN,
    ]


def _plot(sets: Sequence[str], found: Mapping[tuple[str, int], Sequence[Point]]) -> Plot:
    lines = [Line(name, COUNTS, [fmean(p.fused for p in found[name, count]) for count in COUNTS]) for name in sets]
    return Plot("cold_start", "Cold start from good pieces alone", "good pieces", "AUC, both modalities", lines)
