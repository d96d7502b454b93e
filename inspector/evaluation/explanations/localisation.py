"""Scores maps of where a defect should be against masks of where it is.

Maps and masks have the size of their image, (H, W); a mask without a marked pixel belongs to a good image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from encoders.front_end import Image
from inspector.framing.placement import Placement
from inspector.statistics.bootstrap import Interval, mean_by_group

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_FALSE_POSITIVES = 0.3
"""Up to where PRO is integrated, as in MVTec AD (Bergmann et al. 2021)."""
CHANCE_OF_PRO = MAX_FALSE_POSITIVES / 2
"""PRO of a map without any meaning: its overlap rises with its false positives."""
TOLERANCE_PX = 15
"""A peak this close to the mask is a hit, as in the pointing game of Zhang et al. 2018."""
MIN_REGION_PX = 16
"""Smaller spots are the lossy compression of a mask and no defect."""


@dataclass(frozen=True)
class Localisation:
    pooled_auroc: float
    """Over all pixels of the defective images together."""
    image_auroc: Interval
    """Mean over the defective images."""
    pro: float
    """Mean overlap of the marked regions, integrated to the limit of false positives, good images included."""
    pointing: float
    """Share of the defective images whose maximum lies in the mask or near it."""


@dataclass(frozen=True)
class Chance:
    """Reference values for reading the figures."""

    images: int
    mask_share: float
    """Mean share of a defective image that its mask covers."""
    pointing: float
    """Share of the pixels at which a pointer would hit."""


def localise(maps: Sequence[Map], masks: Sequence[Mask], groups: Sequence[str], seed: int) -> Localisation:
    marked = [index for index, mask in enumerate(masks) if mask.any()]
    pairs = [(maps[index], masks[index]) for index in marked]
    pixels, truth = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    aurocs = [roc_auc_score(mask.ravel(), map_.ravel()) for map_, mask in pairs if not mask.all()]
    return Localisation(
        pooled_auroc=float(roc_auc_score(truth, pixels)),
        image_auroc=mean_by_group(aurocs, [groups[i] for i in marked if not masks[i].all()], seed),
        pro=per_region_overlap(maps, masks),
        pointing=float(np.mean([pointing(map_, mask) for map_, mask in pairs])),
    )


def chance(masks: Sequence[Mask]) -> Chance:
    marked = [mask for mask in masks if mask.any()]
    return Chance(
        images=len(marked),
        mask_share=float(np.mean([mask.mean() for mask in marked])),
        pointing=float(np.mean([_near(mask).mean() for mask in marked])),
    )


def per_region_overlap(maps: Sequence[Map], masks: Sequence[Mask]) -> float:
    """PRO is the area under a receiver operating curve in which every region weighs the same, whatever its size."""
    weights = np.concatenate([_weights(mask).ravel() for mask in masks])
    pixels = np.concatenate([map_.ravel() for map_ in maps])
    truth = np.concatenate([mask.ravel() for mask in masks])
    false_positives, overlap, _ = roc_curve(truth, pixels, sample_weight=weights)
    inside = false_positives < MAX_FALSE_POSITIVES
    x = np.append(false_positives[inside], MAX_FALSE_POSITIVES)
    y = np.append(overlap[inside], np.interp(MAX_FALSE_POSITIVES, false_positives, overlap))
    return float(np.trapezoid(y, x) / MAX_FALSE_POSITIVES)


def _weights(mask: Mask) -> NDArray[np.float64]:
    """1 on good pixels, 1 / its size on a region, 0 on spots."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(np.asarray(labels).ravel())
    per_region = np.where(sizes >= MIN_REGION_PX, 1 / np.maximum(sizes, 1), 0.0)
    per_region[0] = 1.0
    weights: NDArray[np.float64] = per_region[labels]
    return weights


def pointing(map_: Map, mask: Mask) -> float:
    """Share of the map's highest pixels that hit: on a plateau no pixel is more the maximum than another."""
    return float(_near(mask)[map_ >= map_.max()].mean())


def _near(mask: Mask) -> Mask:
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near: Mask = np.asarray(distance) <= TOLERANCE_PX
    return near


def enlarged(relevance: NDArray[np.float32], mask: Mask, placement: Placement | None = None) -> Map:
    """As a verdict's heat map is drawn."""
    height_px, width_px = mask.shape
    if placement is not None:
        return placement.over_picture(relevance, (width_px, height_px), (width_px, height_px))
    return np.asarray(cv2.resize(relevance, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32)


def centred(mask: Mask) -> Map:
    """Baseline that looks at no image: a Gaussian in the middle, a quarter of the side wide."""
    rows, cols = (np.exp(-(np.linspace(-2, 2, side, dtype=np.float32) ** 2) / 2) for side in mask.shape)
    return np.asarray(np.outer(rows, cols), np.float32)


def edges(image: Image) -> Map:
    """Baseline that ignores defects: strength of the grey gradient, as coarse as a thirty-second of the image."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    strength = np.hypot(np.asarray(across), np.asarray(down))
    return np.asarray(cv2.GaussianBlur(strength, (0, 0), max(image.shape[:2]) / 32), np.float32)
