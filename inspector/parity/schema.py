"""Describes the content of a parity set: `about.json` and `pieces.jsonl`.

A parity set is a zip file, stored and not deflated: these two, and the recordings of its pieces as PNG, FLAC or .npy,
each named by a hash of its bytes, so that a recording of several pieces is stored once.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from inspector.dataset.manifest import Label
from streams.observation import ModalityKind

SET_NAME = "parity.zip"
ABOUT_NAME = "about.json"
PIECES_NAME = "pieces.jsonl"
ENOUGH_PIECES = 300
"""Fewer prove little: 300 without a flip prove that at most 1 % flip."""

Decision = Literal["PASS", "FAIL", "REVIEW"]


class ParityError(ValueError):
    """A parity set cannot be made or used; the message names the finding, the expectation and the fix."""


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Prediction(Entry):
    """A model's prediction for a piece at the bundle's own limits, with every modality required."""

    decision: Decision
    """PASS, FAIL or REVIEW."""
    score: float | None = Field(default=None, ge=0, le=1)
    """Calibrated; None where no calibrated expert ran."""
    route: str
    """Path that the router took."""
    experts: tuple[str, ...]
    """Those that ran, sorted."""


class ImageFile(Entry):
    camera: str
    """Name of the camera."""
    file: str
    """PNG file in the set."""


class SignalFile(Entry):
    sensor: str
    """Name of the sensor."""
    kind: ModalityKind
    """Kind of its measurements."""
    sample_rate_hz: float = Field(gt=0)
    """Samples per second and channel."""
    file: str
    """FLAC or .npy file in the set."""


class Piece(Entry):
    """One line of `pieces.jsonl`."""

    piece_id: str = Field(min_length=1, max_length=128)
    """As in the manifest."""
    label: Label
    """As in the manifest."""
    product: str = ""
    """As in the manifest."""
    images: tuple[ImageFile, ...] = ()
    """One object for each image."""
    signals: tuple[SignalFile, ...] = ()
    """One object for each recording."""
    expected: Prediction = Field(alias="said")
    """By the oracle: torch."""

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({image.camera for image in self.images} | {signal.sensor for signal in self.signals})

    @property
    def files(self) -> tuple[str, ...]:
        return (*(image.file for image in self.images), *(signal.file for signal in self.signals))


class About(Entry):
    """The whole of `about.json`."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    bundle: str
    """Name of the bundle that the set was made for."""
    version: str
    """Its version."""
    oracle: str
    """Such as torch 2.15.0."""
    seed: int
    """Draws, at random, the pieces that were not chosen for being near a limit."""
    num_calibration: int = Field(ge=0)
    """Calibration pieces to choose from."""
    num_nearest: int = Field(ge=0)
    """Pieces of the set chosen for being nearest the limits."""
    notes: tuple[str, ...] = ()
    """Remarks about unusual properties of the set, for people."""
