"""Lines whose pieces share pictures and sounds, with a thumbnail that misses a known share of the defects."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fusion.scored import Scored
from inspector.bundle.schema import Calibration
from inspector.training.config import Acceptance
from inspector.training.routing.frontier import Board, cheapest_good, floor_of, static_points
from inspector.training.routing.sweeps import (
    Candidate,
    RoutingData,
    cascade_sweep,
    initial_choices,
    learned_sweep,
    make_routing_data,
)
from tests.inspector.training.made_scores import COSTS_MS, EXPERTS, ORDER, limits

OLD_MIN_GAIN = 0.03


@dataclass(frozen=True)
class Line:
    pictures: int
    sounds: int
    pieces: int
    hidden: float
    """Share of the defective pictures that the thumbnail takes for good ones, and is sure of it."""


@dataclass(frozen=True)
class Kind:
    """Recordings of one kind: their labels, and the log-odds of each expert on them."""

    bad: np.ndarray
    logits: np.ndarray


def line_scores(line: Line, seed: int) -> Scored:
    """Every recording has one label and one log-odds per expert, however many pieces it is in."""
    random = np.random.default_rng(seed)
    pictures, sounds = _pictures(line, random), _sounds(line, random)
    picture_P, sound_P = (
        random.integers(line.pictures, size=line.pieces),
        random.integers(line.sounds, size=line.pieces),
    )
    seen_P, heard_P = pictures.bad[picture_P], sounds.bad[sound_P]
    logits_EP = np.stack([*pictures.logits[:, picture_P], sounds.logits[0, sound_P]])
    sets = [frozenset(names) for size in (1, 2, 3) for names in combinations(ORDER, size)]
    units = [
        {f"p{p}"} if seen else {f"s{s}"} if heard else {f"p{p}", f"s{s}"}
        for p, s, seen, heard in zip(picture_P, sound_P, seen_P, heard_P, strict=True)
    ]
    return Scored(
        piece_ids=tuple(map(str, range(line.pieces))),
        labels=seen_P | heard_P,
        units=tuple(map(frozenset, units)),
        experts=ORDER,
        expert_logits=logits_EP,
        sets=tuple(sets),
        logits=np.stack([_noisy_or(names, logits_EP) for names in sets]),
        cpu_s=np.outer(COSTS_MS, np.ones(line.pieces)) / 1e3,
        unseen=np.ones(line.pieces, bool),
    )


def _pictures(line: Line, random: np.random.Generator) -> Kind:
    bad = np.arange(line.pictures) % 5 < 2
    full = np.where(bad, 3.5, -3.5) + random.normal(0, 1.3, line.pictures)
    hidden = bad & (random.random(line.pictures) < line.hidden)
    thumb = np.where(hidden, -3.5, full) + random.normal(0, 0.7, line.pictures)
    return Kind(bad, np.stack([thumb, full]))


def _sounds(line: Line, random: np.random.Generator) -> Kind:
    bad = np.arange(line.sounds) % 10 < 1
    return Kind(bad, (np.where(bad, 3.5, -3.5) + random.normal(0, 1.3, line.sounds))[None])


def _noisy_or(names: frozenset[str], logits_EP: np.ndarray) -> np.ndarray:
    """The full expert knows all that the thumbnail does."""
    camera = logits_EP[1] if "full" in names else logits_EP[0] if "thumb" in names else None
    heard = [logit for logit in (camera, logits_EP[2] if "ear" in names else None) if logit is not None]
    good = np.prod([1 / (1 + np.exp(logit)) for logit in heard], axis=0).clip(1e-9, 1 - 1e-9)
    return np.log1p(-good) - np.log(good)


def data_of(scored: Scored) -> RoutingData:
    return make_routing_data(scored, EXPERTS, limits(scored))


def unseen_data(line: Line, calibrations: dict[frozenset[str], Calibration], seed: int) -> RoutingData:
    """5,000 pieces of 5,000 other recordings."""
    return make_routing_data(
        line_scores(replace(line, pictures=5000, sounds=5000, pieces=5000), seed), EXPERTS, calibrations
    )


def old_choice(data: RoutingData) -> Candidate | None:
    """The rule until now: the cheapest whose cross-fitted recall is within .005 of the best static set's."""
    points = static_points(Board.of(data.scored, data.calibrations))
    sweeps = [cascade_sweep(data, Acceptance(), 0), *(learned_sweep(data, names, 0) for names in initial_choices(data))]
    good = []
    for sweep in sweeps:
        for candidate in sorted(sweep, key=lambda candidate: -candidate.point.cost_ms):
            if candidate.point.quality < floor_of(points):
                break
            good.append(candidate)
    best = min(good, key=lambda candidate: candidate.point.cost_ms, default=None)
    if best is None or best.point.cost_ms > (1 - OLD_MIN_GAIN) * points[cheapest_good(points)].cost_ms:
        return None
    return best
