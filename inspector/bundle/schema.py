"""Says what a model bundle holds: the content of `bundle.json`. Knows neither torch nor a runtime.

A bundle is a folder: `bundle.json`, one ONNX file per expert, one for the head, `model_card.md`.

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
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MANIFEST_NAME = "bundle.json"

ModalityKind = Literal["image", "audio", "vibration", "trace"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageInput(Part):
    """How an image becomes an expert's input: resized to rows x cols tiles, scaled, normalised."""

    type: Literal["image"] = "image"
    tile_height_px: int = Field(gt=0, le=4096)
    tile_width_px: int = Field(gt=0, le=4096)
    rows: int = Field(default=1, gt=0, le=16)
    cols: int = Field(default=1, gt=0, le=16)
    num_channels: Literal[1, 3] = 3
    interpolation: Literal["area", "linear", "nearest"] = "area"
    mean: float = 0.5
    """Subtracted after scaling to 0..1."""
    std: float = Field(default=0.5, gt=0)


class SignalInput(Part):
    """How a clip becomes an expert's input: exactly `num_samples`, cut or padded at the end, scaled by `scaling`."""

    type: Literal["signal"] = "signal"
    sample_rate_hz: float = Field(gt=0)
    num_samples: int = Field(gt=0)
    num_channels: int = Field(gt=0, le=64)
    scaling: Literal["none", "standard"] = "none"
    """`standard`: (x - mean) / std per channel with the figures below."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    min_hz: float | None = None
    """Frequencies of relevance rows, mel-spaced from min_hz to max_hz; None without frequencies."""
    max_hz: float | None = None


class Expert(Part):
    name: Name
    modality: Name
    """Name of the camera or sensor."""
    scout: bool
    file: str
    input: Annotated[ImageInput | SignalInput, Field(discriminator="type")]
    num_tokens: int = Field(gt=0)
    cost_ms: float = Field(ge=0)
    """Measured at export: one piece, one thread, ONNX Runtime."""


class Modality(Part):
    name: Name
    kind: ModalityKind
    classes: tuple[str, ...] = ()
    """Classes that this modality can show; where its experts did not run, these were not examined."""


class Head(Part):
    file: str
    cost_ms: float = Field(ge=0)


class Calibration(Part):
    """Log-odds to probability, and the limits, for one set of experts that ran."""

    experts: tuple[Name, ...]
    """Sorted names."""
    temperature: float = Field(gt=0)
    bias: float
    """probability = sigmoid(logit / temperature + bias)"""
    pass_below: float = Field(ge=0, le=1)
    fail_above: float = Field(ge=0, le=1)


class Policy(Part):
    """Which experts run after the scouts."""

    mode: Literal["dense", "static", "cascade"] = "cascade"
    static_experts: tuple[Name, ...] = ()
    """For `static`: what runs beside the scouts."""
    low: float = Field(default=0.0, ge=0, le=1)
    high: float = Field(default=1.0, ge=0, le=1)
    """For `cascade`: a calibrated scout score in [low, high] asks for all experts; outside it the scouts suffice."""


class Bundle(Part):
    """The whole of `bundle.json`."""

    schema_version: Literal[1] = 1
    name: Name
    version: str
    classes: tuple[str, ...] = ()
    token_dim: int = Field(gt=0)
    modalities: tuple[Modality, ...] = Field(min_length=1)
    experts: tuple[Expert, ...] = Field(min_length=1)
    head: Head
    calibrations: tuple[Calibration, ...] = Field(min_length=1)
    policy: Policy
    provenance: Mapping[str, str | int | float] = Field(default_factory=dict)
    files: Mapping[str, str]
    """SHA-256 in hex of every file beside bundle.json."""
