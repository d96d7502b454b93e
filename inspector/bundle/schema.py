"""Describes the content of a model bundle: `bundle.json`. Imports neither torch nor a runtime.

A bundle is a folder: `bundle.json`, one ONNX file per expert, one for the head, `model_card.md`; compiled graphs, if it
was compiled; and, if it can be checked without torch, a parity set: pieces with torch's decisions on them.

Every expert graph has one input `input` and three outputs:
  tokens     float32 (B, N, D)
  logits     float32 (B, 1 + K): defect log-odds of this expert alone, then log-odds per class
  relevance  float32 (B, H, W), not negative: rows by columns of the image, or frequencies (low first) by time;
             H is 1 where the expert does not tell frequencies apart
Image input: float32 (B, T, C, H, W), tiles row by row. Signal input: float32 (B, C, S).

The head graph has, per expert in the order of `experts`, the inputs `tokens_<expert>` and `logits_<expert>`, then
`present` float32 (B, E) of 0 and 1 (what did not run is zeros, and its presence 0). Outputs:
  logits     float32 (B, 1 + K)
  gate       float32 (B, E), sums to 1 over the experts present
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inspector.bundle.compiled import Compiled, CompiledFor, CompiledGraph, Parity, Precision
from inspector.bundle.framing import Alignment, Framing
from inspector.bundle.judgement import Calibration, Certificate, Claim, ClassScale, LimitEvidence, Platt, Policy, Router
from inspector.bundle.part import Name, Part
from streams.join.assembly import BitDepth
from streams.observation import ModalityKind

__all__ = [
    "MANIFEST_NAME",
    "Alignment",
    "Bundle",
    "Calibration",
    "Certificate",
    "Claim",
    "ClassScale",
    "Compiled",
    "CompiledFor",
    "CompiledGraph",
    "Expert",
    "Framing",
    "Head",
    "ImageInput",
    "LimitEvidence",
    "Modality",
    "Name",
    "Parity",
    "Part",
    "PictureFormat",
    "Platt",
    "Plausibility",
    "Policy",
    "Precision",
    "Range",
    "Router",
    "SignalInput",
    "input_shape",
]

MANIFEST_NAME = "bundle.json"
MAX_NETWORK_PX = 2**24
"""Pixels of all tiles of one picture: 64 MB of input in grey, and some times as much while a network runs."""


class ImageInput(Part):
    """How an image becomes an expert's input: resized to rows x cols tiles, scaled, normalised."""

    type: Literal["image"] = "image"
    """The expert takes images."""
    tile_height_px: int = Field(gt=0, le=4096)
    """Height of one tile after resizing."""
    tile_width_px: int = Field(gt=0, le=4096)
    """Width of one tile after resizing."""
    rows: int = Field(default=1, gt=0, le=16)
    """Rows of tiles that the image is cut into."""
    cols: int = Field(default=1, gt=0, le=16)
    """Columns of tiles that the image is cut into."""
    num_channels: Literal[1, 3] = 3
    """1: grey, 3: colour."""
    interpolation: Literal["area", "linear", "nearest"] = "area"
    """How the image is resized to the tiles."""
    mean: float = 0.5
    """Subtracted after scaling to 0..1."""
    std: float = Field(default=0.5, gt=0)
    """Divides the difference."""

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        num_px = self.rows * self.cols * self.tile_height_px * self.tile_width_px
        if num_px > MAX_NETWORK_PX:
            raise ValueError(f"the tiles of one picture have {num_px} pixels, more than {MAX_NETWORK_PX}")
        return self


class SignalInput(Part):
    """How a clip becomes an expert's input: exactly `num_samples`, cut or padded at the end, scaled by `scaling`."""

    type: Literal["signal"] = "signal"
    """The expert takes signals."""
    sample_rate_hz: float = Field(gt=0)
    """Rate of the sensor; the recipe's must equal it."""
    num_samples: int = Field(gt=0)
    """Samples of the clip, per channel."""
    num_channels: int = Field(gt=0, le=64)
    """Channels of the clip."""
    scaling: Literal["none", "standard"] = "none"
    """`standard`: (x - mean) / std per channel with the figures below."""
    mean: tuple[float, ...] = ()
    """Mean of each channel in training."""
    std: tuple[float, ...] = ()
    """Standard deviation of each channel in training."""
    min_hz: float | None = None
    """Frequencies of relevance rows, mel-spaced from min_hz to max_hz; None without frequencies."""
    max_hz: float | None = None
    """Upper end of the same frequencies."""


def input_shape(form: ImageInput | SignalInput) -> tuple[int, ...]:
    """Of one piece's input, without the batch."""
    if isinstance(form, ImageInput):
        return form.rows * form.cols, form.num_channels, form.tile_height_px, form.tile_width_px
    return form.num_channels, form.num_samples


class Expert(Part):
    name: Name
    """Unique in the bundle."""
    modality: Name
    """Name of the camera or sensor."""
    scout: bool
    """Runs on every piece, before the router decides."""
    file: str
    """Its ONNX graph, relative to the bundle."""
    input: Annotated[ImageInput | SignalInput, Field(discriminator="type")]
    """How a recording becomes the graph's input."""
    num_tokens: int = Field(gt=0)
    """Tokens that the graph returns for one piece."""
    cost_ms: float = Field(ge=0)
    """Measured at export: one image or clip, one thread, ONNX Runtime."""
    calibration: Platt | None = None
    """Of its own defect log-odds, against the label of its modality; None: too little evidence, they are raw."""
    rough_calibration: Platt | None = None
    """The same where `calibration` has too little evidence. It bounds the scores of classes and is shown nowhere."""


class Range(Part):
    """From low to high, both included; None: no limit on that side."""

    low: float | None = Field(default=None, allow_inf_nan=False)
    """Smallest value that is believed."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Largest value that is believed."""


class PictureFormat(Part):
    """Format of the training images before they were resized."""

    height_px: Range
    """Height."""
    width_px: Range
    """Width."""
    aspect: Range
    """Width over height."""
    depths: tuple[Literal["uint8", "uint16"], ...] = Field(min_length=1)
    """Types of the pixels."""
    channels: tuple[Literal[1, 3], ...] = Field(min_length=1)
    """1 for grey, 3 for colour."""


class Plausibility(Part):
    """Limits within which a camera or sensor is plausible, learned from its good training recordings."""

    recordings: int = Field(gt=0)
    """Good recordings behind the limits."""
    groups: int = Field(gt=0)
    """Of these recordings: they share neither specimen nor lot."""
    figures: Mapping[str, Range]
    """By name: see `inspector.plausibility.rules`; unknown names are ignored."""
    picture: PictureFormat | None = None
    """None for a sensor."""


class Modality(Part):
    name: Name
    """Name of the camera or sensor."""
    kind: ModalityKind
    """Kind of its measurements."""
    classes: tuple[str, ...] = ()
    """Classes that this modality can show; without its experts they are not examined."""
    bit_depth: BitDepth | None = None
    """Of a camera's images in training; None: those filled 8 or 16 bits."""
    orientation: Literal["as stored"] = "as stored"
    """Which way round a camera's images are seen: no EXIF orientation turns them, here, in training and on the line."""
    framing: Framing | None = None
    """Which part of a camera's pictures is judged, and how they are aligned; None: all of them, as they come."""
    plausibility: Plausibility | None = None
    """None: only a source that gives one value throughout is implausible."""


class Head(Part):
    file: str
    """The fusion head's ONNX graph, relative to the bundle."""
    cost_ms: float = Field(ge=0)
    """Measured at export: one piece, one thread, ONNX Runtime."""


class Bundle(Part):
    """The whole of `bundle.json`."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    name: Name
    """Name of the bundle, as in verdicts."""
    version: str
    """Version of the bundle, as in verdicts."""
    classes: tuple[str, ...] = ()
    """Defect classes that the model tells apart."""
    token_dim: int = Field(gt=0)
    """Width of every expert's tokens (D)."""
    modalities: tuple[Modality, ...] = Field(min_length=1)
    """Cameras and sensors that the model knows."""
    experts: tuple[Expert, ...] = Field(min_length=1)
    """Encoders, in the order of the head's inputs."""
    head: Head
    """The graph that fuses the experts' outputs."""
    calibrations: tuple[Calibration, ...] = Field(min_length=1)
    """Probability and limits for each set of experts that may run."""
    policy: Policy
    """Which experts run on a piece."""
    certificate: Certificate | None = None
    """None: none was requested."""
    compiled: tuple[Compiled, ...] = ()
    """Graphs for other engines, made by `inspector compile`."""
    parity_set: str | None = None
    """File of the pieces that the parity gate runs."""
    provenance: Mapping[str, str | int | float] = Field(default_factory=dict)
    """How and when the bundle was trained, for people."""
    files: Mapping[str, str]
    """SHA-256 in hex of every file except bundle.json."""
