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
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from streams.join.assembly import BitDepth
from streams.observation import ModalityKind

MANIFEST_NAME = "bundle.json"

Precision = Literal["fp32", "fp16", "int8"]
CompiledFor = Literal["onnx", "openvino", "tensorrt"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Platt(Part):
    """probability = sigmoid(logit / temperature + bias)"""

    temperature: float = Field(gt=0)
    """Divides the log-odds."""
    bias: float
    """Added after the division."""


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
    plausibility: Plausibility | None = None
    """None: only a source that gives one value throughout is implausible."""


class Head(Part):
    file: str
    """The fusion head's ONNX graph, relative to the bundle."""
    cost_ms: float = Field(ge=0)
    """Measured at export: one piece, one thread, ONNX Runtime."""


class LimitEvidence(Part):
    """What a limit rests on: it keeps its rate at the stated confidence, for pieces like these."""

    rate: float = Field(ge=0, le=1)
    """Share of the good (FAIL) or defective (PASS) pieces that lies on the wrong side of the limit at most."""
    asked: float = Field(ge=0, le=1)
    """The rate that was asked for; smaller than `rate` where a bound on REVIEW relaxed it."""
    confidence: float = Field(gt=0, lt=1)
    """Probability that the rate is kept, over the draw of the pieces."""
    num_pieces: int = Field(ge=0)
    """Independent pieces of this label: no recording counts twice."""
    beyond: float = Field(ge=0, le=1)
    """Share of these that lies on the wrong side."""
    plain: float = Field(ge=0, le=1)
    """The limit without allowance for other pieces: the other end of its interval."""
    method: Literal["count", "tail"]
    """`count`: by the number of pieces beyond it; `tail`: too few for that, by the scale of an exponential tail."""


class Calibration(Part):
    """Log-odds to probability, and the limits, for one set of experts that ran."""

    experts: tuple[Name, ...]
    """Sorted names."""
    temperature: float = Field(gt=0)
    """Divides the log-odds: above 1 makes them less certain."""
    bias: float
    """probability = sigmoid(logit / temperature + bias)"""
    pass_below: float = Field(ge=0, le=1)
    """Calibrated scores below this one pass."""
    fail_above: float = Field(ge=0, le=1)
    """Calibrated scores above this one fail."""
    classes: Mapping[str, Platt] = Field(default_factory=dict)
    """Of the head's log-odds per class; a class that is not here had too little evidence, and its log-odds are raw."""
    pass_evidence: LimitEvidence | None = None
    """Of `pass_below`; None: not known, or the limit follows from costs. Not written where None."""
    fail_evidence: LimitEvidence | None = None
    """Of `fail_above`, likewise."""

    @model_serializer(mode="wrap")
    def _omit_unknown(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        content: dict[str, object] = write(self)
        unknown = {name for name in ("pass_evidence", "fail_evidence") if content.get(name) is None}
        return {name: value for name, value in content.items() if name not in unknown}


class Router(Part):
    """The learned router: the regret of each path as a logistic function of the first experts' log-odds."""

    first: tuple[Name, ...] = Field(min_length=1)
    """Experts that run on every piece; their log-odds are the inputs, in this order."""
    centre: tuple[float, ...]
    """Mean of each expert's log-odds in training."""
    scale: tuple[Annotated[float, Field(gt=0)], ...]
    """Per expert of `first`: inputs are (log-odds - centre) / scale."""
    threshold: float
    """Calibrated log-odds of the first experts together, that separates good from defective."""
    paths: tuple[tuple[Name, ...], ...] = Field(min_length=1)
    """Experts that may run after the first ones; the last path is all of them."""
    weights: tuple[tuple[float, ...], ...]
    """Per path, by input: log-odds of each first expert, joint log-odds, and the absolute values of these."""
    bias: tuple[float, ...]
    """Per path, added to the weighted inputs."""
    experts: tuple[Name, ...]
    """All experts of the bundle, in the order of `costs_ms`."""
    costs_ms: tuple[Annotated[float, Field(ge=0)], ...]
    """CPU of each of `experts`, one piece, measured in training."""


class Policy(Part):
    """Which experts run on a piece."""

    mode: Literal["dense", "static", "cascade", "learned", "budgeted"] = "cascade"
    """`dense`: all experts run; `static`: one fixed set; `cascade`: the scouts decide by their score; `learned` and
    `budgeted`: the router decides."""
    static_experts: tuple[Name, ...] = ()
    """For `static`: all that runs, scouts included."""
    low: float = Field(default=0.0, ge=0, le=1)
    """For `cascade`: lower end of the scores that ask for all experts."""
    high: float = Field(default=1.0, ge=0, le=1)
    """For `cascade`: a calibrated scout score in [low, high] asks for all experts; outside it the scouts suffice."""
    router: Router | None = None
    """For `learned` and `budgeted`."""
    price: float = Field(default=0.0, ge=0)
    """For these: regret that a millisecond of computing must save; in `budgeted` the service raises it under load."""


class Claim(Part):
    """At most `miss_rate` of the defective pieces pass as long as only scores below `pass_below` do."""

    miss_rate: float = Field(gt=0, lt=1)
    """Share of defective pieces that may pass at most."""
    pass_below: float = Field(ge=0, le=1)
    """The limit that the claim holds for."""
    num_misses: int = Field(ge=0, le=1_000_000)
    """Independent defects whose score lies below."""
    good_held: float = Field(ge=0, le=1)
    """Share of good pieces, unseen in training, that this limit sends to REVIEW or FAIL."""


class Certificate(Part):
    """Certified miss rate of the routed system, with all modalities examined; the claims follow from the counts."""

    miss_rate: float = Field(gt=0, lt=1)
    """Requested miss rate."""
    confidence: float = Field(gt=0, lt=1)
    """Probability that the claim holds, over the draw of the evidence."""
    num_defects: int = Field(ge=0, le=1_000_000)
    """Independent defects, unseen in training: no two share a recording or group."""
    claim: Claim | None
    """At the requested rate; None: not certifiable from this evidence."""
    nearest: Claim | None
    """At the smallest rate that this evidence certifies; None: at none without holding every good piece."""
    needs: int = Field(ge=0)
    """Further independent defects, none of them missed, that would certify the requested rate."""
    of_these_encoders: bool = True
    """False: the evidence comes from encoders fitted on the training split alone; the bundle's were fitted again on the
    evidence itself. Nothing is certified then."""
    sure_below: float = Field(ge=0, le=1)
    """No defective piece of training or calibration scored lower: only lower scores pass where no claim applies."""


class Parity(Part):
    """Counts of the parity gate: the bundle's own pieces through the whole routed system."""

    num_pieces: int = Field(ge=0)
    """Pieces of the parity set that ran."""
    flips: int = Field(ge=0)
    """Decisions that differ from torch's at the live limits."""
    new_passes: int = Field(ge=0)
    """Defective pieces among these that PASS now."""
    route_changes: int = Field(ge=0)
    """Pieces for which other experts ran than with torch."""
    max_difference: float = Field(ge=0)
    """Of calibrated scores."""
    flips_below: float = Field(ge=0, le=1)
    """Share of flips that the count proves at 95 %, one-sided."""


class CompiledGraph(Part):
    part: Name
    """An expert, or `head`."""
    file: str
    """The compiled graph, relative to the bundle."""
    precision: Precision
    """Precision of the graph; `why` explains a lower one than requested."""
    seconds: float = Field(ge=0)
    """Time that compiling took."""
    num_bytes: int = Field(ge=0)
    """Size of the file."""
    quantised: float | None = Field(default=None, ge=0, le=1)
    """Share of convolutions and matrix products that take INT8."""
    why: str = ""
    """Why the precision is lower than requested; empty where it is not."""


class Compiled(Part):
    """All graphs for one engine at one precision. Graphs not named run as they were exported, where the engine can."""

    engine: CompiledFor
    """Runtime that the graphs are for."""
    precision: Precision
    """Requested precision."""
    compiler: str
    """Distribution and version, such as tensorrt-rtx 1.7.1.116."""
    targets: tuple[str, ...] = ()
    """Compute capabilities, such as 8.6."""
    batches: tuple[int, ...] = ()
    """Batch sizes that buffers are made for; the last is the largest."""
    graphs: tuple[CompiledGraph, ...]
    """One for each part that was compiled."""
    parity: Parity | None = None
    """None: the machine that compiled could not run it."""


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
