"""Tests evidence by taking it out: does the defect go with the place that was named? Knows no mask and no fusion.

Deletion as in Petsiuk et al. 2018 (RISE), with one box at a time, and beside it boxes of equal size elsewhere in the
same recording: erasing anything may change a score. In a signal, good recordings of the same split stand in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from inspector.engines.engine import Array
from inspector.evaluation.explanations.expert_views import MAX_BATCH, ExpertView
from inspector.evaluation.explanations.masking import Samples, elsewhere, exchanged, inpainted, map_of
from inspector.inference.examination import Examination, ExpertOutput
from inspector.inference.model import Model
from inspector.judging.evidence import Box, Picture, boxes, image_evidence, signal_evidence
from inspector.statistics.bootstrap import Interval, mean_by_group
from streams.observation import Observation

NUM_ELSEWHERE = 4
"""Boxes elsewhere per recording; what they change is averaged."""
NUM_GOOD = 4
"""Good recordings that a stretch of a signal is exchanged for, one after the other; what changes is averaged."""


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
    """The first less the second, by recording: above 0 the evidence names what the score rests on."""
    fades: float
    """Share of the recordings in which the relevance inside the named box falls when that box is erased."""
    fades_elsewhere: float
    moves: float
    """Share in which the strongest place then lies outside the named box."""
    moves_elsewhere: float


class Change(NamedTuple):
    """What one erasure changed, on the mean of what stood in."""

    drop: float
    fades: float
    """Share."""
    moves: float


def deletion(model: Model, seen: Sequence[ExpertView], seed: int) -> Deletion | None:
    """None where nothing can be erased: no recording caught with a box and room for another, or no good signal."""
    defective = [sight for sight in seen if sight.defective]
    caught = [sight for sight in defective if sight.look.defect_logit > 0]
    named = [(sight, found[0]) for sight in caught if (found := boxes(_relevance(sight)))]
    rng = np.random.default_rng(seed)
    tried = [(sight, box, elsewhere(box, _relevance(sight).shape, NUM_ELSEWHERE, rng)) for sight, box in named]
    tried = [(sight, box, others) for sight, box, others in tried if others]
    good = [samples for sight in seen if not sight.defective and (samples := _samples(sight)) is not None]
    if not tried or (_samples(tried[0][0]) is not None and not good):
        return None
    changes = [_changes(model, sight, (box, *others), _drawn(good, rng)) for sight, box, others in tried]
    own, other = [found[0] for found in changes], [found[1:] for found in changes]
    groups = [sight.group for sight, _, _ in tried]
    drops = np.array([change.drop for change in own])
    drops_elsewhere = np.array([np.mean([change.drop for change in found]) for found in other])
    return Deletion(
        expert=tried[0][0].expert.name,
        recordings=len(tried),
        missed=len(defective) - len(caught),
        without_room=len(caught) - len(tried),
        box_share=float(np.mean([map_of(box, _relevance(sight).shape).mean() for sight, box, _ in tried])),
        drop=mean_by_group(drops, groups, seed),
        drop_elsewhere=mean_by_group(drops_elsewhere, groups, seed),
        advantage=mean_by_group(drops - drops_elsewhere, groups, seed),
        fades=float(np.mean([change.fades for change in own])),
        fades_elsewhere=float(np.mean([np.mean([change.fades for change in found]) for found in other])),
        moves=float(np.mean([change.moves for change in own])),
        moves_elsewhere=float(np.mean([np.mean([change.moves for change in found]) for found in other])),
    )


def _drawn(good: Sequence[Samples], rng: np.random.Generator) -> list[Samples]:
    return [good[index] for index in rng.permutation(len(good))[:NUM_GOOD]]


def _changes(model: Model, sight: ExpertView, places: Sequence[Box], good: Sequence[Samples]) -> list[Change]:
    """What each of the places changes; the first is the one that was named."""
    shape = _relevance(sight).shape
    without = [erased(sight, map_of(place, shape), good) for place in places]
    examination = Examination(model, [version for versions in without for version in versions], MAX_BATCH)
    examination.run_expert(sight.expert, range(len(examination.pieces)))
    changes = iter([_change(sight, places[0], found[sight.expert.name]) for found in examination.expert_outputs])
    return [Change(*np.mean([next(changes) for _ in versions], axis=0).tolist()) for versions in without]


def erased(sight: ExpertView, relevance: Array, good: Sequence[Samples]) -> list[Observation]:
    """The recording alone, without what a verdict with this relevance would name first; a signal once per good one."""
    piece, expert = sight.piece, sight.expert
    if expert.input.type == "signal":
        clip, samples = piece.clips[expert.modality], _samples(sight)
        place = signal_evidence(expert.modality, relevance, expert.input)
        if samples is None or place is None:
            raise ValueError(f"{sight.row.piece_id}: nothing to erase; name a box of a clip that has samples")
        versions = [exchanged(samples, own, clip.sample_rate_hz, place) for own in good]
        clips = [replace(clip, samples=version) for version in versions]
        return [replace(piece, views={}, clips={expert.modality: version}) for version in clips]
    view = piece.views[expert.modality]
    image = view.images[sight.look.image]
    picture = Picture(expert.modality, image.shape[1], image.shape[0])
    region = image_evidence(picture, relevance).regions[0]
    return [replace(piece, clips={}, views={expert.modality: replace(view, images=(inpainted(image, region),))})]


def _samples(sight: ExpertView) -> Samples | None:
    """None for images."""
    clip = sight.piece.clips.get(sight.expert.modality)
    return None if clip is None else clip.samples


def _change(sight: ExpertView, box: Box, after: ExpertOutput) -> Change:
    before, now = _relevance(sight), after.outputs["relevance"]
    inside = map_of(box, before.shape) > 0
    return Change(
        drop=sight.look.defect_logit - after.defect_logit,
        fades=float(now[inside].mean() < before[inside].mean()),
        moves=float(not inside.ravel()[now.argmax()]),
    )


def _relevance(sight: ExpertView) -> Array:
    return sight.look.outputs["relevance"]
