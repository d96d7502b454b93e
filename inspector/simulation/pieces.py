"""Chooses the defects of each piece of a synthetic line, and makes its picture and its sound.

Everything follows from (seed, number of the piece). No accuracy claim is made on this line. Its scenarios:

`plain`: scratches and dents are seen, cracks are heard.
`disagreement`: about half of the parts carry an insert, a ring to be seen that adds a partial to be heard. A mismatch
(an insert that does not ring, or rings without being there) is a defect that neither sensor can know: seen alone and
heard alone each insert is there in half of the pieces, mismatched or not.
`rare_hard`: all defects are plain but for a few rubbed parts. A rub is a matt patch that every thumbnail shows and that
is mere wear, unless a hairline runs through it: a dark groove between two bright burrs. In a thumbnail of 48 px these
average to less than the rub's own blotches; from 96 px on they stand out. Only the rub shows where to look closer.
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.simulation.image import draw_part
from inspector.simulation.sound import ring

VISIBLE = ("scratch", "dent", "hairline")
AUDIBLE = ("crack",)
_EVERYDAY = (("scratch", 0.4), ("dent", 0.3), ("crack", 0.3))

Scenario = Literal["plain", "disagreement", "rare_hard"]


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Settings of the synthetic line."""

    seed: int = 0
    defect_share: float = 0.2
    faint_share: float = 0.12
    """Share of defects that are hard to find; none in `rare_hard`."""
    wear_share: float = 0.04
    """Share of good pieces with marks that are no defect and look a little like one; none in `rare_hard`."""
    stations: int = 3
    """Lighting differs by station; piece i passes station i modulo this number."""
    scenario: Scenario = "plain"
    mismatch_share: float = 0.25
    """Share of pieces whose insert is only seen or only heard; in `disagreement`."""
    rub_share: float = 0.08
    """Share of rubbed pieces, half of them with a hairline; in `rare_hard`."""
    num_frames: int = 1
    """Images per piece: it turns before the camera, and the marks on its surface show in one of them."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The marks of a piece: severity by mark. Marks outside `defects` are harmless: wear, inserts, rubs."""

    severity: dict[str, float]
    defects: tuple[str, ...]

    def nok(self, names: tuple[str, ...]) -> bool:
        return any(name in names for name in self.defects)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPiece:
    """One piece of the line with its recordings."""

    piece_id: str
    truth: Truth
    images: tuple[NDArray[np.uint8], ...]
    """Grey (160, 160) each, in order of the frames."""
    sound: NDArray[np.int16]
    """(4000, 1) at 16 kHz."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The first."""
        return self.images[0]

    @property
    def png(self) -> bytes:
        return self.pngs[0]

    @property
    def pngs(self) -> tuple[bytes, ...]:
        compression = [cv2.IMWRITE_PNG_COMPRESSION, 1]
        return tuple(cv2.imencode(".png", image, compression)[1].tobytes() for image in self.images)


def simulate_piece(settings: LineSettings, number: int) -> SimulatedPiece:
    """The piece with this number; equal settings and numbers give equal bytes."""
    rng = _rng(settings, number)
    truth = _truth(rng, settings)
    station, shown = number % settings.stations, _shown(settings, number)
    images = tuple(_image(rng, station, truth, turned=frame != shown) for frame in range(settings.num_frames))
    sound = ring(rng, crack=truth.severity.get("crack", 0.0), partial=truth.severity.get("partial", 0.0))
    return SimulatedPiece(piece_id(settings, number), truth, images, sound)


def _image(rng: np.random.Generator, station: int, truth: Truth, *, turned: bool) -> NDArray[np.uint8]:
    """`turned`: the marks on the surface are out of sight. An insert goes all the way round."""
    surface = {} if turned else truth.severity
    return draw_part(
        rng,
        station,
        scratch=surface.get("scratch", 0.0),
        dent=surface.get("dent", 0.0),
        insert=truth.severity.get("insert", 0.0),
        rub=surface.get("rub", 0.0),
        hairline=surface.get("hairline", 0.0),
    )


def _shown(settings: LineSettings, number: int) -> int:
    """The frame in which the surface is seen; drawn by itself, so that one frame is as it always was."""
    return int(np.random.default_rng([settings.seed, number, 1]).integers(settings.num_frames))


def piece_id(settings: LineSettings, number: int) -> str:
    return f"s{settings.seed}-{number:06d}"


def truth_of(settings: LineSettings, number: int) -> Truth:
    """The truth about the piece, without making its recordings."""
    return _truth(_rng(settings, number), settings)


def _rng(settings: LineSettings, number: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, number])


def _truth(rng: np.random.Generator, settings: LineSettings) -> Truth:
    match settings.scenario:
        case "plain":
            return _everyday(rng, settings)
        case "disagreement":
            return _with_insert(rng, settings)
        case "rare_hard":
            return _rare_hard(rng, settings)


def _everyday(rng: np.random.Generator, settings: LineSettings) -> Truth:
    kind = str(rng.choice([name for name, _ in _EVERYDAY], p=[share for _, share in _EVERYDAY]))
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


def _with_insert(rng: np.random.Generator, settings: LineSettings) -> Truth:
    """Whether it is seen is drawn by itself, whether it is heard follows by the mismatch: both are even either way."""
    usual = _everyday(rng, settings)
    seen, mismatch = rng.uniform() < 0.5, rng.uniform() < settings.mismatch_share
    marks = {"insert": float(rng.uniform(0.8, 1.2)) * seen, "partial": float(rng.uniform(0.8, 1.2)) * (seen ^ mismatch)}
    there = {name: strength for name, strength in marks.items() if strength > 0}
    return Truth(usual.severity | there, (*usual.defects, *(("mismatch",) if mismatch else ())))


def _rare_hard(rng: np.random.Generator, settings: LineSettings) -> Truth:
    if rng.uniform() >= settings.rub_share:
        return _everyday(rng, replace(settings, faint_share=0.0, wear_share=0.0))
    rub = {"rub": float(rng.uniform(0.8, 1.2))}
    if rng.uniform() < 0.5:
        return Truth(rub, ())
    return Truth(rub | {"hairline": float(rng.uniform(0.8, 1.2))}, ("hairline",))
