"""Tests evidence by taking it out: does the defect go with the place that was named? Knows no mask and no fusion.

Deletion as in Petsiuk et al. 2018 (RISE), with one box at a time, and beside it boxes of equal size elsewhere in the
same recording: erasing anything may change a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from inspector.engines.engine import Array
from inspector.evaluation.erasing import elsewhere, inpainted, map_of, silenced
from inspector.evaluation.resampling import Interval, mean_by_group
from inspector.evaluation.sights import MAX_BATCH, Sight
from inspector.evidence import Box, Picture, boxes, image_evidence, signal_evidence
from inspector.examination import Examination, Look
from inspector.model import Model
from streams.observation import Observation

NUM_ELSEWHERE = 4
"""Boxes elsewhere per recording; what they change is averaged."""


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
    """What one erasure changed."""

    drop: float
    fades: bool
    moves: bool


def deletion(model: Model, seen: Sequence[Sight], seed: int) -> Deletion | None:
    """None where nothing can be erased: no recording caught with a box and room for another."""
    defective = [sight for sight in seen if sight.defective]
    caught = [sight for sight in defective if sight.look.defect_logit > 0]
    named = [(sight, found[0]) for sight in caught if (found := boxes(_relevance(sight)))]
    rng = np.random.default_rng(seed)
    tried = [(sight, box, elsewhere(box, _relevance(sight).shape, NUM_ELSEWHERE, rng)) for sight, box in named]
    tried = [(sight, box, others) for sight, box, others in tried if others]
    if not tried:
        return None
    changes = _changes(model, tried)
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


def _changes(model: Model, tried: Sequence[tuple[Sight, Box, Sequence[Box]]]) -> list[list[Change]]:
    """Per recording, what the named box changes and then what the others change."""
    result = []
    for sight, box, others in tried:
        shape = _relevance(sight).shape
        without = [erased(sight, map_of(place, shape)) for place in (box, *others)]
        examination = Examination(model, without, MAX_BATCH)
        examination.look(sight.expert, range(len(without)))
        looks = [found[sight.expert.name] for found in examination.looks]
        result.append([_change(sight, box, look) for look in looks])
    return result


def erased(sight: Sight, relevance: Array) -> Observation:
    """The recording alone, without what a verdict with this relevance would name first."""
    piece, expert = sight.piece, sight.expert
    if expert.input.type == "signal":
        clip = piece.clips[expert.modality]
        place = signal_evidence(expert.modality, relevance, expert.input)
        if clip.samples is None or place is None:
            raise ValueError(f"{sight.row.piece_id}: nothing to erase; name a box of a clip that has samples")
        samples = silenced(clip.samples, clip.sample_rate_hz, place)
        return replace(piece, views={}, clips={expert.modality: replace(clip, samples=samples)})
    view = piece.views[expert.modality]
    image = view.images[sight.look.image]
    picture = Picture(piece.inspection, expert.modality, image.shape[1], image.shape[0])
    region = image_evidence(picture, relevance, None).regions[0]
    return replace(piece, clips={}, views={expert.modality: replace(view, images=(inpainted(image, region),))})


def _change(sight: Sight, box: Box, after: Look) -> Change:
    before, now = _relevance(sight), after.outputs["relevance"]
    inside = map_of(box, before.shape) > 0
    return Change(
        drop=sight.look.defect_logit - after.defect_logit,
        fades=bool(now[inside].mean() < before[inside].mean()),
        moves=not inside.ravel()[now.argmax()],
    )


def _relevance(sight: Sight) -> Array:
    return sight.look.outputs["relevance"]
