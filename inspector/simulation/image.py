"""Draws the picture of a machined disc with given marks."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_PX = 160
_RADIUS_PX = 62
_HOLES = ((-26, -26), (26, -26), (-26, 26), (26, 26))
_HOLE_RADIUS_PX = 9
_INSERT_RADIUS_PX = 15

Grey = NDArray[np.float32]


def draw_part(
    rng: np.random.Generator,
    station: int,
    *,
    scratch: float = 0.0,
    dent: float = 0.0,
    insert: float = 0.0,
    rub: float = 0.0,
    hairline: float = 0.0,
) -> NDArray[np.uint8]:
    """A grey image (160, 160). Severities: 0 none, 1 plain to see, below 0.4 hard to tell from wear.

    A hairline lies in the rub and is not drawn without one.
    """
    centre = (SIZE_PX / 2 + rng.uniform(-3, 3), SIZE_PX / 2 + rng.uniform(-3, 3))
    turn = rng.uniform(-0.15, 0.15)
    disc = _disc(centre, turn)
    surface = 150 + _brushed(rng)
    if scratch > 0:
        surface += scratch * _scratch(rng, centre)
    if dent > 0:
        surface += dent * _dent(rng, centre)
    if insert > 0:
        surface += insert * _insert(centre)
    if rub > 0:
        surface += _rub(rng, centre, rub, hairline)
    image = disc * surface + (1 - disc) * 40
    image = image * _lighting(rng, station) + rng.normal(0, 2.5, image.shape).astype(np.float32)
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)


def _disc(centre: tuple[float, float], turn: float) -> Grey:
    mask = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    cv2.circle(mask, _whole(centre), _RADIUS_PX, 255, -1, cv2.LINE_AA)
    cos, sin = np.cos(turn), np.sin(turn)
    for x, y in _HOLES:
        hole = (centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y)
        cv2.circle(mask, _whole(hole), _HOLE_RADIUS_PX, 0, -1, cv2.LINE_AA)
    return np.asarray(mask / 255, dtype=np.float32)


def _brushed(rng: np.random.Generator) -> Grey:
    """Marks of the tool: noise smeared along the rows."""
    noise = rng.normal(0, 1, (SIZE_PX, SIZE_PX)).astype(np.float32)
    return np.asarray(cv2.blur(noise, (31, 1)) * 28, dtype=np.float32)


def _scratch(rng: np.random.Generator, centre: tuple[float, float]) -> Grey:
    """A bright line across the tool marks with a dark edge."""
    start = _spot(rng, centre, 0.55)
    angle, length = rng.uniform(0.35, np.pi - 0.35), rng.uniform(32, 60)
    bright = _line(start, angle, length, 2)
    return np.asarray(75 * bright - 45 * np.roll(bright, 2, axis=1), dtype=np.float32)


def _line(start: tuple[float, float], angle: float, length: float, width_px: int) -> Grey:
    """From 0 to 1, smooth at the edges."""
    end = (start[0] + length * np.cos(angle), start[1] + length * np.sin(angle))
    line = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    cv2.line(line, _whole(start), _whole(end), 255, width_px, cv2.LINE_AA)
    return np.asarray(line / 255, dtype=np.float32)


def _dent(rng: np.random.Generator, centre: tuple[float, float]) -> Grey:
    """A round hollow: shade on one side, light on the other."""
    x, y = _spot(rng, centre, 0.6)
    radius = rng.uniform(8, 12)
    columns, rows = np.meshgrid(np.arange(SIZE_PX, dtype=np.float32), np.arange(SIZE_PX, dtype=np.float32))
    bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (radius / 2) ** 2))
    return np.asarray(bump * (70 * (columns - x + rows - y) / radius - 65), dtype=np.float32)


def _insert(centre: tuple[float, float]) -> Grey:
    """A pressed-in ring round the middle."""
    band = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    cv2.circle(band, _whole(centre), _INSERT_RADIUS_PX, 255, 4, cv2.LINE_AA)
    return np.asarray(band * np.float32(50 / 255), dtype=np.float32)


def _rub(rng: np.random.Generator, centre: tuple[float, float], rub: float, hairline: float) -> Grey:
    """A matt patch of soft blotches; a hairline is a dark groove whose bright burrs make up for it."""
    middle = _spot(rng, centre, 0.5)
    patch = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    cv2.ellipse(patch, _whole(middle), (20, 15), rng.uniform(0, 180), 0, 360, 255, -1)
    soft = cv2.GaussianBlur(patch.astype(np.float32) / 255, (0, 0), 2.5)
    blotches = cv2.GaussianBlur(rng.normal(0, 1, patch.shape).astype(np.float32), (0, 0), 2.0)
    worn = rub * soft * (150 * blotches - 35)
    angle, length = rng.uniform(0.9, np.pi - 0.9), rng.uniform(20, 28)
    start = (middle[0] - length / 2 * np.cos(angle), middle[1] - length / 2 * np.sin(angle))
    groove = _line(start, angle, length, 1)
    burrs = (np.roll(groove, 2, axis=1) + np.roll(groove, -2, axis=1)) / 2
    return np.asarray(worn + hairline * 70 * (burrs - groove), dtype=np.float32)


def _spot(rng: np.random.Generator, centre: tuple[float, float], reach: float) -> tuple[float, float]:
    """A place on the disc between the holes: near the axes, off the diagonals."""
    axis = rng.integers(4) * np.pi / 2 + rng.uniform(-0.35, 0.35)
    distance = rng.uniform(0.1, reach) * _RADIUS_PX
    return float(centre[0] + distance * np.cos(axis)), float(centre[1] + distance * np.sin(axis))


def _lighting(rng: np.random.Generator, station: int) -> Grey:
    """Every station's lamp stands somewhere else; it flickers a little."""
    angle = station * 2.1
    ramp = np.linspace(-1, 1, SIZE_PX, dtype=np.float32)
    slope = 0.10 * (np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None])
    return np.asarray(slope + (0.95 + 0.05 * np.cos(station)) * rng.uniform(0.95, 1.05), dtype=np.float32)


def _whole(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])
