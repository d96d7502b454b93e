"""Decides what is wrong with each piece of a synthetic line, and makes its picture and its sound.

Everything follows from (seed, number of the piece). No accuracy claim is made on this line.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.simulation.image import draw_part
from inspector.simulation.sound import ring

VISIBLE = ("scratch", "dent")
AUDIBLE = ("crack",)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What comes down the synthetic line."""

    seed: int = 0
    defect_share: float = 0.2
    faint_share: float = 0.12
    """Share of defects that are hard to find."""
    wear_share: float = 0.04
    """Share of good pieces with marks that are no defect and look a little like one."""
    stations: int = 3
    """Lighting differs by station; piece i passes station i modulo this number."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is wrong with a piece: severity by defect; faint marks of a good piece are no defect."""

    severity: dict[str, float]
    defects: tuple[str, ...]

    def nok(self, names: tuple[str, ...]) -> bool:
        return any(name in names for name in self.defects)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPiece:
    """One piece of the line with its recordings."""

    piece_id: str
    truth: Truth
    image: NDArray[np.uint8]
    """Grey (160, 160)."""
    sound: NDArray[np.int16]
    """(4000, 1) at 16 kHz."""

    @property
    def png(self) -> bytes:
        return cv2.imencode(".png", self.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def simulate_piece(settings: LineSettings, number: int) -> SimulatedPiece:
    """The piece with this number; equal settings and numbers give equal bytes."""
    rng = _rng(settings, number)
    truth = _truth(rng, settings)
    wrong = truth.severity
    image = draw_part(rng, number % settings.stations, scratch=wrong.get("scratch", 0.0), dent=wrong.get("dent", 0.0))
    sound = ring(rng, crack=wrong.get("crack", 0.0))
    return SimulatedPiece(piece_id(settings, number), truth, image, sound)


def piece_id(settings: LineSettings, number: int) -> str:
    return f"s{settings.seed}-{number:06d}"


def truth_of(settings: LineSettings, number: int) -> Truth:
    """What is wrong with the piece, without making its recordings."""
    return _truth(_rng(settings, number), settings)


def _rng(settings: LineSettings, number: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, number])


def _truth(rng: np.random.Generator, settings: LineSettings) -> Truth:
    kind = str(rng.choice([*VISIBLE, *AUDIBLE], p=[0.4, 0.3, 0.3]))
    fate = rng.uniform()
    if fate < settings.defect_share:
        faint = rng.uniform() < settings.faint_share
        severity = {kind: float(rng.uniform(0.3, 0.5) if faint else rng.uniform(0.8, 1.2))}
        if rng.uniform() < 0.1:
            severity["crack"] = float(rng.uniform(0.8, 1.2))
        return Truth(severity, tuple(sorted(severity)))
    if fate > 1 - settings.wear_share:
        return Truth({kind: float(rng.uniform(0.12, 0.28))}, ())
    return Truth({}, ())
