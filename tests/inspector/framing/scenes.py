"""Pictures of a plate with an off-centre hole on a dark table, shifted and turned."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle.framing import Alignment, Framing
from inspector.framing.alignment import shrunk
from inspector.framing.png import png_text

WIDTH_PX, HEIGHT_PX = 320, 240
REGION = (((80.0, 72.0), (240.0, 72.0), (240.0, 168.0), (80.0, 168.0)),)


def scene(dx_px: float = 0, dy_px: float = 0, turn_deg: float = 0, seed: int = 1) -> NDArray[np.uint8]:
    picture = np.full((HEIGHT_PX, WIDTH_PX), 60, np.uint8)
    centre = np.array([WIDTH_PX / 2 + dx_px, HEIGHT_PX / 2 + dy_px])
    box = cv2.boxPoints((tuple(centre - 0.5), (160, 96), turn_deg))
    cv2.fillPoly(picture, [np.round(np.asarray(box) * 16).astype(np.int32)], 150, shift=4)
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hole = np.round((turn @ np.array([48.0, -24.0]) + centre - 0.5) * 16).astype(int)
    cv2.circle(picture, (int(hole[0]), int(hole[1])), 14 * 16, 30, -1, shift=4)
    noise = np.random.default_rng(seed).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def aligned(region: bool = False, max_shift_px: float = 24, max_turn_deg: float = 5) -> Framing:
    align = Alignment(
        reference_png=png_text(shrunk(scene(seed=0))),
        max_shift_px=max_shift_px,
        max_turn_deg=max_turn_deg,
        min_correlation=0.6,
    )
    return Framing(width_px=WIDTH_PX, height_px=HEIGHT_PX, region=REGION if region else (), align=align)
