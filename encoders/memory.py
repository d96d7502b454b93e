"""Encoders that score the distance of images and clips from good parts; they are trained without defects.

Distances are matrix products, which every runtime supports. Letters: B batch, P places, C width of a descriptor,
D of a whitened one, M entries of a bank, N tokens, H rows, W columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.patches import FilterPatches, NetworkPatches
from encoders.profiles import MapProfile, Profile, SoundProfile, TraceProfile
from encoders.tokens import Encoded, Level, pool_matrix

STEEPNESS, MARGIN = 1.5, 2.0
"""Log-odds = STEEPNESS * (standardised log distance - MARGIN): 0 at the distance that 1 good piece in 40 exceeds."""
PLACE_MARGIN = 4.0
"""A cell counts as relevant from this many standard deviations: a few in a thousand good cells reach three."""
TOP_SHARE = 0.2
"""A picture's score is the mean over this share of its most unusual places: the maximum was up to .02 AUC worse."""
GRID = 4


class Bank(nn.Module):
    """Mean distance to the k nearest entries in a whitened space; one entry at the mean is Mahalanobis' distance."""

    def __init__(
        self, mean_C: Float[Tensor, " C"], whiten_CD: Float[Tensor, "C D"], entries_MD: Float[Tensor, "M D"], k: int = 1
    ) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("mean", mean_C)
        self.register_buffer("whiten", whiten_CD)
        self.register_buffer("entries", entries_MD)

    def whitened(self, rows: Float[Tensor, "... C"]) -> Float[Tensor, "... D"]:
        return (rows - self.get_buffer("mean")) @ self.get_buffer("whiten")

    def forward(self, whitened: Float[Tensor, "... D"]) -> Float[Tensor, "..."]:
        squared = squared_distances(whitened, self.get_buffer("entries"))
        if self.k == 1:
            return squared.amin(-1).sqrt()
        return squared.topk(self.k, dim=-1, largest=False).values.sqrt().mean(-1)


def squared_distances(rows: Float[Tensor, "... D"], entries_MD: Float[Tensor, "M D"]) -> Float[Tensor, "... M"]:
    """|a|^2 + |b|^2 - 2ab, bounded below by float32's rounding error at 0, which differs between runtimes."""
    products = rows @ entries_MD.T
    squares = rows.square().sum(-1, keepdim=True) + entries_MD.square().sum(-1)
    return (squares - 2 * products).clamp_min(1e-4 * entries_MD.shape[1])


class Exceedance(nn.Module):
    """Log distance standardised by the distances of held-out good pieces."""

    def __init__(self, held: Float[Tensor, " R"]) -> None:
        """`held`: log distances of good pieces to others."""
        super().__init__()
        self.register_buffer("centre", held.mean())
        self.register_buffer("spread", held.std().clamp_min(1e-3))

    def forward(self, log_distance: Tensor) -> Tensor:
        exceeding: Tensor = (log_distance - self.get_buffer("centre")) / self.get_buffer("spread")
        return exceeding


def log_odds(exceeding: Tensor) -> Tensor:
    return STEEPNESS * (exceeding - MARGIN)


class PatchMemory(nn.Module):
    """A bank over the places of a picture (PatchCore, Roth et al. 2022): one unusual place makes a picture unusual."""

    def __init__(self, describer: NetworkPatches | FilterPatches, size: Level, bank: Bank, token_dim: int) -> None:
        super().__init__()
        self.describer, self.bank = describer, bank
        self.size, self.token_dim, self.num_tokens = (size.height, size.width), token_dim, GRID * GRID
        self.register_buffer("pool_NP", pool_matrix(size, GRID, GRID))
        self.exceedance = Exceedance(torch.zeros(2))

    def forward(self, image: Float[Tensor, "B 1 C h w"]) -> Encoded:
        return self.read(self.describer(image))

    def read(self, maps_BCHW: Float[Tensor, "B C H W"]) -> Encoded:
        whitened_BPD = self.bank.whitened(maps_BCHW.flatten(2).transpose(1, 2))
        distances_BP = self.bank(whitened_BPD)
        logits_B = log_odds(self.exceedance(most_unusual(distances_BP).log()))
        relevance_BP = torch.sigmoid(log_odds(self.exceedance(distances_BP.log())))
        tokens_BND = self.get_buffer("pool_NP") @ whitened_BPD
        return Encoded(fitting(tokens_BND, self.token_dim), logits_B[:, None], relevance_BP.reshape(-1, *self.size))


def most_unusual(distances_BP: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
    top = distances_BP.topk(max(1, int(TOP_SHARE * distances_BP.shape[1])), dim=1)
    return top.values.mean(1)


class ProfileMemory(nn.Module):
    """k nearest neighbours and Mahalanobis over one vector per recording, the baselines of DCASE task 2, averaged."""

    def __init__(self, describer: MapProfile | SoundProfile | TraceProfile, banks: tuple[Bank, Bank], token_dim: int):
        super().__init__()
        self.describer = describer
        self.near, self.whole = banks
        self.token_dim, self.num_tokens = token_dim, 1
        self.near_exceedance, self.whole_exceedance = Exceedance(torch.zeros(2)), Exceedance(torch.zeros(2))
        self.exceedance = Exceedance(torch.zeros(2))
        self.usual: nn.Module = nn.Identity()

    def forward(self, recording: Float[Tensor, "B ..."]) -> Encoded:
        return self.read(self.describer(recording))

    def read(self, profile: Profile) -> Encoded:
        whole_BD = self.whole.whitened(profile.vector)
        near_B = self.near_exceedance(self.near(self.near.whitened(profile.vector)).log())
        whole_B = self.whole_exceedance(self.whole(whole_BD).log())
        logits_B = log_odds(self.exceedance(near_B + whole_B))
        relevance = torch.sigmoid(self.usual(profile.picture) - PLACE_MARGIN)
        return Encoded(fitting(whole_BD[:, None], self.token_dim), logits_B[:, None], relevance)


class Usual(nn.Module):
    """Deviation of each cell of a picture from good pieces, in standard deviations, over its channels."""

    def __init__(self, good_RCHW: Float[Tensor, "R C H W"]) -> None:
        super().__init__()
        spread = good_RCHW.std(0)
        self.register_buffer("mean", good_RCHW.mean(0))
        self.register_buffer("spread", spread + 0.1 * spread.mean() + 1e-6)

    def forward(self, picture: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
        deviations = (picture - self.get_buffer("mean")) / self.get_buffer("spread")
        return deviations.square().mean(1).sqrt()


def fitting(tokens_BNd: Float[Tensor, "B N d"], width: int) -> Float[Tensor, "B N D"]:
    """Cut or zero-padded to `width`, leading directions first."""
    return nn.functional.pad(tokens_BNd, (0, max(0, width - tokens_BNd.shape[2])))[:, :, :width]


Memory = PatchMemory | ProfileMemory
