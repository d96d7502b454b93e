"""Turns wafer-like maps, sounds and traces into one vector each, and the parts of a score back into places.

Not trained. Letters: B batch, C channels, S samples, M mel bands, L frames, P places, R rings, V width of the
vector, F features that sum up P places each.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.audio import LogMel, MelForm
from encoders.tokens import Level, pool_matrix

MAP_SIDE_PX = 48
NUM_RINGS = 3
MANY_RINGS, NUM_SECTORS = 6, 8
"""For hundreds of labelled maps: AUC .963 by grouped folds, as with three rings alone."""
BLURS_PX = (2.0, 4.0, 8.0)
NUM_PLACES = 48
NEAR_BANDS, NEAR_FRAMES, NEAR_PLACES = 5, 11, 5
"""A place's part is averaged with its neighbours': single cells are noisy. Chosen by deletion on calibration data."""


class Profile(NamedTuple):
    vector: Float[Tensor, "B V"]
    picture: Float[Tensor, "B C H W"]
    """The values that the vector summarises, by place: image rows or frequencies (low first), then columns or time."""


class MapProfile(nn.Module):
    """Share of marked cells in three rings of equal area, and maximum and spread of their blurred density.

    A scan statistic: good maps have marks too, but scattered. Sectors are too many features for 50 pieces (AUC .81
    alone, .87 with the density; three rings with the density .90).
    """

    def __init__(self, outside: float, marked: float, fine: bool = False) -> None:
        """Inputs up to `outside` lie outside the map, those above `marked` are its marked cells.

        `fine` is for labelled maps: more rings, and maximum, minimum and spread over sectors.
        """
        super().__init__()
        self.outside, self.marked, self.fine = outside, marked, fine
        self.register_buffer("rings_RX", rings(MANY_RINGS if fine else NUM_RINGS))
        self.register_buffer("sectors_QX", sectors())
        place = torch.arange(MAP_SIDE_PX, dtype=torch.float32)
        blurs = [torch.exp(-((place[:, None] - place) ** 2) / (2 * blur**2)) for blur in BLURS_PX]
        scales = [1 / (blur * (2 * torch.pi) ** 0.5) for blur in BLURS_PX]
        self.register_buffer("blurs", torch.stack([b * s for b, s in zip(blurs, scales, strict=True)]))

    def forward(self, image: Float[Tensor, "B 1 1 H W"]) -> Profile:
        pixels_B1HW = image.flatten(1, 2)
        marked, cells = (pixels_B1HW > self.marked).float(), (pixels_B1HW > self.outside).float()
        blurs, rings_XR = self.get_buffer("blurs"), self.get_buffer("rings_RX").T
        shares_BR = _shares(marked, cells, rings_XR)
        if self.fine:
            shares_BQ = _shares(marked, cells, self.get_buffer("sectors_QX").T)
            extremes = [
                shares_BQ.amax(1, keepdim=True),
                shares_BQ.amin(1, keepdim=True),
                spread(shares_BQ, 1)[:, None],
            ]
            shares_BR = torch.cat([shares_BR, *extremes], dim=1)
        # Cells at the rim have few neighbours: without the constant, one marked cell there would look like a cluster.
        density_BKHW = (blurs @ marked @ blurs) / (blurs @ cells @ blurs + 0.15)
        flat = density_BKHW.flatten(2)
        vector = torch.cat([shares_BR, flat.amax(2), spread(flat, 2)], dim=1)
        return Profile(vector, density_BKHW[:, 1:2])

    def placed(self, profile: Profile, parts_BV: Float[Tensor, "B V"]) -> Float[Tensor, "B H W"]:
        """A ring's part goes to its dense marks; all other parts go to clusters."""
        density_B1X, rings_RX = profile.picture.flatten(2), self.get_buffer("rings_RX")
        num_rings = len(rings_RX)
        dense_BRX = density_B1X * rings_RX
        ring_parts_BR1 = parts_BV[:, :num_rings, None]
        rings_BX = (ring_parts_BR1 * dense_BRX / dense_BRX.sum(2, keepdim=True).clamp_min(1e-6)).sum(1)
        clusters_B1X = by_spread(density_B1X, parts_BV[:, num_rings:].sum(1, keepdim=True))
        return (rings_BX + clusters_B1X[:, 0]).reshape(-1, *profile.picture.shape[2:])


def _shares(marked: Float[Tensor, "B H W"], cells: Float[Tensor, "B H W"], parts_XR: Tensor) -> Float[Tensor, "B R"]:
    shares_BR: Tensor = (marked.flatten(1) @ parts_XR) / (cells.flatten(1) @ parts_XR + 1)
    return shares_BR


def rings(number: int = NUM_RINGS) -> Float[Tensor, "R X"]:
    """Which pixels lie in which ring; the last one reaches into the corners."""
    across = _centred()
    ring = ((across[:, None] ** 2 + across**2).flatten() * number).long().clamp_max(number - 1)
    return nn.functional.one_hot(ring, number).float().T.contiguous()


def sectors() -> Float[Tensor, "Q X"]:
    """Which pixels lie in which sector."""
    across = _centred()
    angles = torch.atan2(across[:, None].expand(MAP_SIDE_PX, -1), across.expand(MAP_SIDE_PX, -1)).flatten()
    sector = ((angles + torch.pi) / (2 * torch.pi) * NUM_SECTORS).long().clamp_max(NUM_SECTORS - 1)
    return nn.functional.one_hot(sector, NUM_SECTORS).float().T.contiguous()


def _centred() -> Float[Tensor, " X"]:
    return (torch.arange(MAP_SIDE_PX) - (MAP_SIDE_PX - 1) / 2) / (MAP_SIDE_PX / 2)


class SoundProfile(nn.Module):
    """Mean and spread over time of each band of the log-mel spectrogram, after subtracting its mean level.

    Loudness depends more on the microphone's position than on the part: with it, taps reached AUC .87 instead of .89.
    """

    def __init__(self, form: MelForm, fine: bool = False) -> None:
        """`fine` is for labelled sounds: also each band's maximum, and its mean in each third of the time."""
        super().__init__()
        self.log_mel, self.fine = LogMel(form), fine

    def forward(self, wave: Float[Tensor, "B C S"]) -> Profile:
        bands_BCML = self.log_mel(wave).transpose(1, 2)
        bands_BCML = bands_BCML - bands_BCML.mean((2, 3), keepdim=True)
        parts = [bands_BCML.mean(3), spread(bands_BCML, 3)]
        if self.fine:
            parts += [bands_BCML.amax(3), *(third.mean(3) for third in bands_BCML.tensor_split(3, dim=3))]
        return Profile(torch.cat(parts, dim=2).flatten(1), bands_BCML)

    def placed(self, profile: Profile, parts_BV: Float[Tensor, "B V"]) -> Float[Tensor, "B M L"]:
        bands_BCML = profile.picture
        batch, channels, num_mels, num_frames = bands_BCML.shape
        mean, scatter, *rest = parts_BV.reshape(batch, channels, -1, num_mels).unbind(2)
        cells_BCML = by_spread(bands_BCML, scatter)
        if self.fine:
            maximum, *thirds = rest
            even_BCMK = torch.stack([mean, *thirds], dim=3)
            cells_BCML = cells_BCML + by_maximum(bands_BCML, maximum) + even_BCMK @ whole_and_thirds(num_frames)
        else:
            cells_BCML = cells_BCML + by_mean(bands_BCML, mean)
        return near(cells_BCML.sum(1), NEAR_BANDS, NEAR_FRAMES)


class TraceProfile(nn.Module):
    """Means of 48 segments of every channel: keeps the shape of the trace, which global statistics lose."""

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        places = min(NUM_PLACES, num_samples)
        self.register_buffer("stretches_PS", pool_matrix(Level(1, 1, num_samples), 1, places))

    def forward(self, wave: Float[Tensor, "B C S"]) -> Profile:
        course_BCP = wave @ self.get_buffer("stretches_PS").T
        return Profile(course_BCP.flatten(1), course_BCP[:, :, None])

    def placed(self, profile: Profile, parts_BV: Float[Tensor, "B V"]) -> Float[Tensor, "B 1 P"]:
        return near(parts_BV.reshape_as(profile.picture).sum(1), 1, NEAR_PLACES)


def spread(values: Tensor, dim: int) -> Tensor:
    """Standard deviation, written out so that every runtime uses the same divisor."""
    return (values - values.mean(dim, keepdim=True)).square().mean(dim).add(1e-8).sqrt()


def by_mean(values: Float[Tensor, "... F P"], parts: Float[Tensor, "... F"]) -> Float[Tensor, "... F P"]:
    """Every place gets an equal share of a mean's part."""
    return (parts / values.shape[-1])[..., None].expand_as(values)


def by_spread(values: Float[Tensor, "... F P"], parts: Float[Tensor, "... F"]) -> Float[Tensor, "... F P"]:
    """Every place gets a share by its contribution to the variance."""
    squares = (values - values.mean(-1, keepdim=True)).square()
    return squares * (parts[..., None] / squares.sum(-1, keepdim=True).clamp_min(1e-8))


def by_maximum(values: Float[Tensor, "... F P"], parts: Float[Tensor, "... F"]) -> Float[Tensor, "... F P"]:
    """The place of the maximum gets the whole part."""
    return parts[..., None] * (values >= values.amax(-1, keepdim=True)).to(values.dtype)


def near(places: Float[Tensor, "B H W"], rows: int, columns: int) -> Float[Tensor, "B H W"]:
    """Mean of each place and its existing neighbours; matrix products cost a fifth of pooling."""
    return neighbours(places.shape[1], rows) @ places @ neighbours(places.shape[2], columns).T


def whole_and_thirds(num: int) -> Float[Tensor, "K L"]:
    """Weight of each place in the mean of all places and in the mean of each third."""
    places = torch.arange(num)
    member = torch.stack([(places[:, None] == third).any(1) for third in (places, *places.tensor_split(3))]).float()
    return member / member.sum(1, keepdim=True)


def neighbours(num: int, width: int) -> Float[Tensor, "N N"]:
    place = torch.arange(num)
    close = ((place[:, None] - place).abs() <= width // 2).float()
    return close / close.sum(1, keepdim=True)


def map_levels(levels: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of `MapProfile` from the distinct values of maps: the lowest is outside, the highest marked."""
    return float(levels[:2].mean()), float(levels[-2:].mean())
