"""Tests evidence by erasing it: does the defect disappear with the place that the evidence names?

Deletion as in Petsiuk et al. 2018 (RISE), one box at a time, compared with boxes of equal size elsewhere in the same
recording: erasing anything may change a score. In a signal, good recordings of the same split replace the stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from inspector.engines.engine import Array
from inspector.evaluation.explanations.expert_views import ExpertView
from inspector.evaluation.explanations.masking import Samples, elsewhere, exchanged, inpainted, map_of
from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination, ExpertOutput
from inspector.inference.model import Model
from inspector.judging.evidence import Box, Picture, boxes, signal_evidence
from inspector.judging.framed_evidence import framed_evidence
from inspector.statistics.bootstrap import Interval, mean_by_group
from streams.observation import Observation

NUM_ELSEWHERE = 4
"""Boxes elsewhere per recording; their changes are averaged."""
NUM_GOOD = 4
"""Good recordings that replace a stretch of a signal, one after the other; their changes are averaged."""


@dataclass(frozen=True)
class Deletion:
    """Over the defective recordings that the expert takes for defective, each once: one that it misses has no evidence.

    `elsewhere` is the mean over the random boxes.
    """

    expert: str
    recordings: int
    """Tested: a box was named that left room for another one."""
    missed: int
    """Defective recordings whose log-odds of a defect are below 0."""
    without_room: int
    """Recordings whose box leaves no room for another one, or in which no box stands out."""
    box_share: float
    """Mean share of the map that the box covers."""
    drop: Interval
    """By how much the expert's log-odds of a defect fall without the named box."""
    drop_elsewhere: Interval
    advantage: Interval
    """`drop` minus `drop_elsewhere`, by recording: above 0 the score rests on the named place."""
    fades: float
    """Share of the recordings in which the relevance inside the named box falls when that box is erased."""
    fades_elsewhere: float
    moves: float
    """Share in which the strongest place then lies outside the named box."""
    moves_elsewhere: float


class Change(NamedTuple):
    """Effect of one erasure, averaged over the replacements."""

    drop: float
    fades: float
    """Share."""
    moves: float


def deletion(model: Model, seen: Sequence[ExpertView], seed: int) -> Deletion | None:
    """None where nothing can be erased: no recording caught with a box and room for another, or no good signal."""
    defective = [view for view in seen if view.defective]
    caught = [view for view in defective if view.output.defect_logit > 0]
    named = [(view, ranked[0]) for view in caught if (ranked := boxes(_relevance(view)))]
    rng = np.random.default_rng(seed)
    tried = [(view, box, elsewhere(box, _relevance(view).shape, NUM_ELSEWHERE, rng)) for view, box in named]
    tried = [(view, box, others) for view, box, others in tried if others]
    good = [samples for view in seen if not view.defective and (samples := _samples(view)) is not None]
    if not tried or (_samples(tried[0][0]) is not None and not good):
        return None
    changes = [_changes(model, view, (box, *others), _drawn(good, rng)) for view, box, others in tried]
    named_changes, other_changes = [first for first, *_ in changes], [rest for _, *rest in changes]
    groups = [view.group for view, _, _ in tried]
    drops = np.array([change.drop for change in named_changes])
    drops_elsewhere = np.array([np.mean([change.drop for change in others]) for others in other_changes])
    return Deletion(
        expert=tried[0][0].expert.name,
        recordings=len(tried),
        missed=len(defective) - len(caught),
        without_room=len(caught) - len(tried),
        box_share=float(np.mean([map_of(box, _relevance(view).shape).mean() for view, box, _ in tried])),
        drop=mean_by_group(drops, groups, seed),
        drop_elsewhere=mean_by_group(drops_elsewhere, groups, seed),
        advantage=mean_by_group(drops - drops_elsewhere, groups, seed),
        fades=float(np.mean([change.fades for change in named_changes])),
        fades_elsewhere=float(np.mean([np.mean([change.fades for change in others]) for others in other_changes])),
        moves=float(np.mean([change.moves for change in named_changes])),
        moves_elsewhere=float(np.mean([np.mean([change.moves for change in others]) for others in other_changes])),
    )


def _drawn(good: Sequence[Samples], rng: np.random.Generator) -> list[Samples]:
    return [good[index] for index in rng.permutation(len(good))[:NUM_GOOD]]


def _changes(model: Model, view: ExpertView, places: Sequence[Box], good: Sequence[Samples]) -> list[Change]:
    """Effect of erasing each place; the first is the named one."""
    shape = _relevance(view).shape
    without = [erased(view, map_of(place, shape), good) for place in places]
    examination = Examination(model, [version for versions in without for version in versions], MAX_BATCH)
    examination.run_expert(view.expert, range(len(examination.pieces)))
    changes = iter([_change(view, places[0], outputs[view.expert.name]) for outputs in examination.expert_outputs])
    return [Change(*np.mean([next(changes) for _ in versions], axis=0).tolist()) for versions in without]


def erased(view: ExpertView, relevance: Array, good: Sequence[Samples]) -> list[Observation]:
    """The recording alone, with the place that this relevance names first erased; a signal once per good one."""
    piece, expert = view.piece, view.expert
    if expert.input.type == "signal":
        clip, samples = piece.clips[expert.modality], _samples(view)
        place = signal_evidence(expert.modality, relevance, expert.input)
        if samples is None or place is None:
            raise ValueError(f"{view.row.piece_id}: nothing to erase; name a box of a clip that has samples")
        versions = [exchanged(samples, replacement, clip.sample_rate_hz, place) for replacement in good]
        clips = [replace(clip, samples=version) for version in versions]
        return [replace(piece, views={}, clips={expert.modality: version}) for version in clips]
    shown = piece.views[expert.modality]
    image = shown.images[view.output.image]
    picture = Picture(expert.modality, image.shape[1], image.shape[0])
    placement = view.placement and replace(view.placement, inside=None)
    regions = framed_evidence(picture, relevance, placement).regions
    images = (inpainted(image, regions[0]) if regions else image,)  # none: it lies beside an aligned picture
    return [replace(piece, clips={}, views={expert.modality: replace(shown, images=images)})]


def _samples(view: ExpertView) -> Samples | None:
    """None for images."""
    clip = view.piece.clips.get(view.expert.modality)
    return None if clip is None else clip.samples


def _change(view: ExpertView, box: Box, after: ExpertOutput) -> Change:
    before, now = _relevance(view), after.outputs["relevance"]
    inside = map_of(box, before.shape) > 0
    return Change(
        drop=view.output.defect_logit - after.defect_logit,
        fades=float(now[inside].mean() < before[inside].mean()),
        moves=float(not inside.ravel()[now.argmax()]),
    )


def _relevance(view: ExpertView) -> Array:
    return view.output.outputs["relevance"]
