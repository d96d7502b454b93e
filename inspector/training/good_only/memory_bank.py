"""Fits banks and scales of memory encoders to descriptions of good recordings.

The usual distance is measured on held-out good recordings, to those of other groups (lots, places).
Letters: R recordings, P places, C width of a descriptor, D of a whitened one, M entries of a bank, H rows, W columns.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from sklearn.covariance import LedoitWolf
from torch import Tensor

from encoders.memory import (
    Bank,
    Exceedance,
    Memory,
    PatchMemory,
    ProfileMemory,
    Usual,
    log_odds,
    most_unusual,
)
from encoders.patches import FilterPatches, NetworkPatches
from encoders.profiles import MapProfile, Profile, SoundProfile, TraceProfile
from encoders.tokens import Level

NUM_ENTRIES = 1000
"""Entries of a bank of places: chosen greedily, they detect as well as all places, and cost a millisecond."""
MAX_PLACES = 10_000
"""Candidates for the bank, evenly sampled if there are more."""
CORE_DIRECTIONS = 64
"""Directions used to choose the entries: using all took seven times as long and was no better."""
NUM_NEIGHBOURS = 3
"""Neighbours in a bank of recordings: with 1, the AUC of sounds was up to .01 lower."""
NUM_FOLDS = 5
RIDGE = 0.01


class Fitted(NamedTuple):
    module: Memory
    held: Float[Tensor, " R"]
    """Held-out log-odds of each good recording, from the recordings of other groups."""


def fit_patches(
    describer: NetworkPatches | FilterPatches, maps_RCHW: Float[Tensor, "R C H W"], groups: Sequence[str], width: int
) -> Fitted:
    """`width`: width of a token."""
    places_RPC = maps_RCHW.flatten(2).transpose(1, 2)
    module = PatchMemory(describer, Level(*maps_RCHW.shape[1:]), _places_bank(places_RPC), width)
    held = _held(_places_bank, places_RPC, groups)
    module.exceedance = Exceedance(held)
    return Fitted(module.eval(), log_odds(module.exceedance(held)))


def fit_profiles(
    describer: MapProfile | SoundProfile | TraceProfile, good: Profile, groups: Sequence[str], width: int
) -> Fitted:
    banks = (_neighbours(good.vector), _mahalanobis(good.vector))
    module = ProfileMemory(describer, banks, width)
    near, whole = (_held(make, good.vector, groups) for make in (_neighbours, _mahalanobis))
    module.near_exceedance, module.whole_exceedance = Exceedance(near), Exceedance(whole)
    both = module.near_exceedance(near) + module.whole_exceedance(whole)
    module.exceedance, module.usual = Exceedance(both), Usual(good.picture)
    return Fitted(module.eval(), log_odds(module.exceedance(both)))


def _held(
    make: Callable[[Tensor], Bank], described_R: Float[Tensor, "R ..."], groups: Sequence[str]
) -> Float[Tensor, " R"]:
    """Log distance of every recording to a bank that is fitted without its fold of the groups.

    The whitening is fitted again as well: with one from all pieces, held-out distances were far too small, and fewer
    than one new good piece in ten stayed below the limit meant for nine in ten.
    """
    order = {group: index % NUM_FOLDS for index, group in enumerate(sorted(set(groups)))}
    fold = torch.tensor([order[group] for group in groups])
    held = torch.empty(len(described_R))
    for number in set(order.values()):
        bank = make(described_R[fold != number])
        distances = bank(bank.whitened(described_R[fold == number]))
        held[fold == number] = (most_unusual(distances) if distances.ndim == 2 else distances).log()
    return held


def _places_bank(places_RPC: Float[Tensor, "R P C"]) -> Bank:
    rows = places_RPC.flatten(0, 1)
    mean_C, whiten_CC = _whitening(rows)
    whitened = (rows - mean_C) @ whiten_CC
    candidates = whitened[:: -(-len(whitened) // MAX_PLACES)]
    return Bank(mean_C, whiten_CC, candidates[coreset(candidates[:, :CORE_DIRECTIONS], NUM_ENTRIES)])


def _whitening(rows: Float[Tensor, "Q C"]) -> tuple[Float[Tensor, " C"], Float[Tensor, "C C"]]:
    """Mean, and the principal directions in falling order, each scaled to unit variance."""
    covariance = torch.cov(rows.T)
    ridge = RIDGE * covariance.diagonal().mean() + 1e-9
    variances, directions = torch.linalg.eigh(covariance + ridge * torch.eye(len(covariance)))
    return rows.mean(0), (directions / variances.sqrt()).flip(1)


def coreset(rows_QD: Float[Tensor, "Q D"], num_entries: int) -> Int[Tensor, " M"]:
    """Farthest-point sampling from the most central row: every row has an entry near it (k-centre, greedy)."""
    if len(rows_QD) <= num_entries:
        return torch.arange(len(rows_QD))
    squares = rows_QD.square().sum(1)
    chosen = [int(squares.argmin())]
    nearest = torch.full_like(squares, torch.inf)
    while len(chosen) < num_entries:
        latest = chosen[-1]
        nearest = torch.minimum(nearest, squares + squares[latest] - 2 * rows_QD @ rows_QD[latest])
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen)


def _neighbours(vectors: Float[Tensor, "R V"]) -> Bank:
    mean, spread = vectors.mean(0), _spread(vectors)
    return Bank(mean, torch.diag(1 / spread), (vectors - mean) / spread, NUM_NEIGHBOURS)


def _spread(vectors: Float[Tensor, "R V"]) -> Float[Tensor, " V"]:
    """Standard deviation with a lower bound, so that a constant feature tolerates rounding."""
    return vectors.std(0) + 1e-3 * vectors.std() + 1e-9


def _mahalanobis(vectors: Float[Tensor, "R V"]) -> Bank:
    """Covariance shrunk by Ledoit and Wolf (2004), since there are more features than pieces."""
    mean, spread = vectors.mean(0), _spread(vectors)
    shrunk = torch.from_numpy(LedoitWolf().fit(((vectors - mean) / spread).double().numpy()).covariance_)
    variances, directions = torch.linalg.eigh(shrunk)
    whiten = (directions / variances.clamp_min(1e-6).sqrt()).flip(1).float() / spread[:, None]
    return Bank(mean, whiten, torch.zeros(1, whiten.shape[1]))
