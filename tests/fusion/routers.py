"""Random policies, and pieces after their initial experts."""

from dataclasses import dataclass, field
from itertools import chain, combinations

import numpy as np

from fusion.policy import Mode, PartialResult, initial_experts


@dataclass(frozen=True)
class MadeRouter:
    first: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    threshold: float
    paths: tuple[tuple[str, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    experts: tuple[str, ...]
    costs_ms: tuple[float, ...]


@dataclass(frozen=True)
class MadePolicy:
    mode: Mode
    static_experts: tuple[str, ...] = ()
    low: float = 0.2
    high: float = 0.7
    router: MadeRouter | None = None
    price: float = 0.2


@dataclass(frozen=True)
class MadeExpert:
    name: str
    modality: str
    scout: bool = field(default=False)


EXPERTS = (
    MadeExpert("scout", "camera", scout=True),
    MadeExpert("full", "camera"),
    MadeExpert("ear", "microphone", scout=True),
    MadeExpert("trace", "current"),
)
NAMES = tuple(expert.name for expert in EXPERTS)
MODALITIES = ("camera", "microphone", "current")
MODES: tuple[Mode, ...] = ("dense", "static", "cascade", "learned", "budgeted")


def random_policy(mode: Mode, random: np.random.Generator) -> MadePolicy:
    first = (("scout", "ear"), ("ear",), ("full", "trace"))[int(random.integers(3))]
    rest = [name for name in NAMES if name not in first]
    paths = tuple(chain.from_iterable(combinations(rest, size) for size in range(len(rest) + 1)))
    num_inputs = 2 * (len(first) + 1)
    router = MadeRouter(
        first=first,
        centre=tuple(random.normal(size=len(first))),
        scale=tuple(random.uniform(0.5, 3, len(first))),
        threshold=float(random.normal()),
        paths=paths,
        weights=tuple(map(tuple, random.normal(size=(len(paths), num_inputs)))),
        bias=tuple(random.normal(size=len(paths))),
        experts=NAMES,
        costs_ms=(0.1, 1.0, 0.2, 0.4),
    )
    return MadePolicy(mode=mode, static_experts=("full", "ear"), router=router)


def random_partial(policy: MadePolicy, random: np.random.Generator) -> PartialResult:
    """One piece in six lacks a modality, one in ten a calibration."""
    present = frozenset(name for name in MODALITIES if random.random() < 0.95)
    ran = initial_experts(policy, EXPERTS, present)
    logits = {name: float(random.normal(0, 4)) for name in NAMES if name in ran}
    log_odds = None if not logits or random.random() < 0.1 else float(random.normal(0, 4))
    return PartialResult(present, logits, log_odds, bool(random.random() < 0.2))
