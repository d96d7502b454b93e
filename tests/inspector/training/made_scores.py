"""Makes scored pieces of a line that is known: a camera with a thumbnail and a full expert, and a microphone."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration
from inspector.training.calibration.thresholds import calibrate
from inspector.training.config import Acceptance
from inspector.training.routing.sweeps import RoutingData, make_routing_data


@dataclass(frozen=True)
class Look:
    name: str
    modality: str
    scout: bool


EXPERTS = (Look("thumb", "camera", True), Look("full", "camera", False), Look("ear", "mic", True))
ORDER = tuple(expert.name for expert in EXPERTS)
COSTS_MS = (0.3, 3.0, 0.4)
Kind = Literal["rare_hard", "same", "blind_thumb"]
"""`rare_hard`: the thumbnail doubts one piece in seven. `same`: it says what the full expert says. `blind_thumb`: it
sees nothing."""


def simulated_scores(kind: Kind, seed: int = 0, num: int = 900) -> Scored:
    rng = np.random.default_rng(seed)
    seen_P, heard_P = rng.random(num) < 0.3, rng.random(num) < 0.25
    full_P = np.where(seen_P, 5.0, -5.0) + rng.normal(0, 1.2, num)
    hard_P = rng.random(num) < 0.15
    thumb_P = {
        "rare_hard": np.where(hard_P, rng.normal(0, 0.7, num), full_P),
        "same": full_P,
        "blind_thumb": rng.normal(0, 1, num),
    }[kind]
    ear_P = np.where(heard_P, 3.0, -3.0) + rng.normal(0, 1.5, num)
    logits_EP = np.stack([thumb_P, full_P, ear_P])
    sets = [frozenset(names) for size in (1, 2, 3) for names in combinations(ORDER, size)]
    pictures, sounds = [f"picture={i // 2}" for i in range(num)], [f"sound={i * 7 % num // 2}" for i in range(num)]
    units = [
        {p} if seen else {s} if heard else {p, s}
        for p, s, seen, heard in zip(pictures, sounds, seen_P, heard_P, strict=True)
    ]
    return Scored(
        piece_ids=tuple(map(str, range(num))),
        labels=seen_P | heard_P,
        units=tuple(map(frozenset, units)),
        experts=ORDER,
        expert_logits=logits_EP,
        sets=tuple(sets),
        logits=np.stack([_noisy_or(names, logits_EP) for names in sets]),
        cpu_s=np.outer(COSTS_MS, np.ones(num)) / 1e3,
        unseen=np.arange(num) % 3 == 0,
    )


def _noisy_or(names: ExpertSet, logits_EP: np.ndarray) -> np.ndarray:
    camera = [logits_EP[ORDER.index(name)] for name in names if name != "ear"]
    heard_logits = ([np.mean(camera, axis=0)] if camera else []) + ([logits_EP[2]] if "ear" in names else [])
    good = np.prod([1 / (1 + np.exp(expert_logit)) for expert_logit in heard_logits], axis=0).clip(1e-9, 1 - 1e-9)
    return np.log1p(-good) - np.log(good)


def ground(scored: Scored) -> RoutingData:
    return make_routing_data(scored, EXPERTS, limits(scored))


def limits(scored: Scored) -> dict[ExpertSet, Calibration]:
    return {names: calibrate(scored, names, len(names) == len(ORDER), Acceptance()) for names in scored.sets}
