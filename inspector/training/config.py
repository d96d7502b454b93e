"""The content of `train.toml`, with its defaults. Does not import torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspector.bundle.schema import MAX_NETWORK_PX, Name
from inspector.framing.tables import CameraFraming
from inspector.recipe.problems import ConfigError, load_toml
from inspector.statistics.evidence import Rule


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fitting(Section):
    """How one encoder is fitted; None is the default of its kind."""

    epochs: int | None = Field(default=None, gt=0)
    """Passes over the training recordings."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Largest step size of the optimiser."""
    batch_size: int = Field(default=32, gt=1)
    """Recordings in one step."""
    accumulate: int = Field(default=1, ge=1)
    """Parts into which a batch is split, with their gradients summed: saves memory with large networks."""
    every_fold: bool = False
    """Networks: score every fold instead of one, then fit on all recordings; without early stopping."""


class ImageExpert(Section):
    """An expert that looks at one camera through rows x cols tiles of height_px x width_px each."""

    type: Literal["image"] = "image"
    """The expert reads images."""
    name: Name
    """Unique in the bundle."""
    modality: Name
    """Name of the camera."""
    scout: bool
    """Runs on every piece, before the router decides."""
    encoder: str = "tiny"
    """`tiny`, `mini` or `micro`, small and trained from scratch, `rings`, or a model's name in timm."""
    height_px: int = Field(default=48, ge=16, le=4096)
    """Height of one tile."""
    width_px: int = Field(default=48, ge=16, le=4096)
    """Width of one tile."""
    rows: int = Field(default=1, gt=0, le=16)
    """Rows of tiles."""
    cols: int = Field(default=1, gt=0, le=16)
    """Columns of tiles."""
    num_channels: Literal[1, 3] = 1
    """1: grey, 3: colour."""
    interpolation: Literal["area", "linear", "nearest"] = "area"
    """How images are resized."""
    pretrained: bool = False
    """Start from timm's weights (downloaded by timm, or a local file by `--weights`)."""
    readout: Literal["places", "kernel"] = "places"
    """How feature maps become log-odds: evidence at every place, or a kernel machine on their statistics (frozen
    networks, and `rings` for wafer-like maps)."""
    stages: tuple[int, ...] = (-2, -1)
    """Stages of a timm network that are read, fine to coarse; later stages do not run."""
    context: bool = False
    """Places are read together with their neighbours."""
    freeze: bool = False
    """Keep the backbone unchanged and fit the readout only: right for some hundred pictures, and faster."""
    tuning: Literal["frozen", "lora", "full"] | None = None
    """How a timm backbone is fitted; None: chosen from `freeze` and the number of recordings."""
    turn: Literal["none", "right_angles", "any"] = "right_angles"
    """Augmentation: pictures of the product have no up, left or right."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Augmentation: random change of contrast and brightness."""
    fitting: Fitting = Fitting()
    """How it is fitted."""

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        network_px = self.rows * self.height_px * self.cols * self.width_px
        if network_px > MAX_NETWORK_PX:
            raise ValueError(
                f"the tiles of expert {self.name!r} have {network_px} pixels, more than {MAX_NETWORK_PX}; lower rows, "
                "cols, height_px or width_px"
            )
        return self


class SignalExpert(Section):
    """An expert that listens to one sensor: log-mel with a small network, or temporal convolutions on raw samples."""

    type: Literal["signal"] = "signal"
    """The expert reads a signal."""
    name: Name
    """Unique in the bundle."""
    modality: Name
    """Name of the sensor."""
    scout: bool = True
    """Runs on every piece, before the router decides."""
    encoder: Literal["log_mel", "tcn", "sound_profile", "trace_profile"]
    """Networks from scratch, or a kernel machine on statistics of log-mel bands, or on the course of a trace."""
    num_samples: int | None = Field(default=None, gt=0)
    """None: the longest recording of the training split."""
    scaling: Literal["none", "standard"] = "standard"
    """`standard`: each channel is scaled by mean and standard deviation of the training split."""
    num_fft: int = Field(default=512, ge=64, le=8192)
    """Samples of one spectrum, for log-mel."""
    hop: int = Field(default=128, ge=16, le=8192)
    """Samples between two spectra, for log-mel."""
    num_mels: int = Field(default=48, ge=8, le=256)
    """Bands of a spectrum, for log-mel."""
    min_hz: float = Field(default=50.0, ge=0)
    """Lower end of the bands."""
    max_hz: float | None = None
    """None: nine tenths of half the sample rate."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Augmentation: random change of loudness, added noise, shift and filtering, all of about this relative size."""
    fitting: Fitting = Fitting()
    """How it is fitted."""


ExpertConfig = Annotated[ImageExpert | SignalExpert, Field(discriminator="type")]


class HeadFitting(Section):
    max_steps: int = Field(default=80, ge=0)
    """Largest number of steps that cross-fitting may choose; 0 keeps noisy-or."""
    check_every: int = Field(default=10, gt=0)
    """Steps between two candidates that cross-fitting compares."""
    learning_rate: float = Field(default=1.5e-3, gt=0)
    """Step size of the optimiser."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Pull of the weights towards zero."""
    num_folds: int = Field(default=3, ge=2)
    """Grouped folds of the calibration split for cross-fitting."""


class Prices(Section):
    """Cost of each decision, in one currency of your choice."""

    escape: float = Field(gt=0)
    """A defective piece that passes."""
    false_reject: float = Field(gt=0)
    """A good piece that fails."""
    review: float = Field(gt=0)
    """A piece that a person reviews."""


class JointFitting(Section):
    """Joint fine-tuning of encoders and head, after the encoders were fitted separately."""

    epochs: int = Field(default=0, ge=0)
    """Passes over the training pieces; 0: none, unless `automatic` applies."""
    automatic: bool = True
    """Fine-tune jointly if training pieces are defective although each of their modalities is labelled good."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Step size for the encoders, which are nearly fitted."""
    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Step size for the head: at 6e-3 it memorised the training pieces within a thousand steps."""
    heads: int = Field(default=3, gt=0, le=32)
    """Heads fitted in the first epoch, from different random weights; the one with the least loss on held-out training
    pieces is kept."""
    head_steps: int = Field(default=300, gt=0)
    """Steps of each head alone, in the first epoch."""
    batch_size: int = Field(default=32, gt=1)
    """Pieces in one step."""
    auxiliary: float = Field(default=0.3, ge=0)
    """Weight of each expert's own loss."""
    alignment: float = Field(default=0.3, ge=0)
    """Weight of the contrast between modalities of good pieces."""


class Acceptance(Section):
    """Acceptable error rates of limits and routing, kept at `confidence` by unseen or out-of-fold scores."""

    miss_rate: float = Field(default=0.02, ge=0, le=1)
    """Share of defective pieces that may pass. With few independent ones, the PASS limit is lower, and REVIEW wider."""
    false_reject_rate: float = Field(default=0.02, ge=0, le=1)
    """Share of good pieces that may fail. With few independent ones, the FAIL limit is higher, and REVIEW wider."""
    review_share: float = Field(default=1.0, ge=0, le=1)
    """Share of pieces that may go to REVIEW with all modalities present. 1: both rates are kept whatever REVIEW takes.
    Less: both are relaxed by one factor until REVIEW takes no more, and training says to what."""
    routing_risk: float = Field(default=0.005, ge=0, le=1)
    """Share of pieces whose decision may change because experts were left out, for each of PASS and FAIL."""
    costs: Prices | None = None
    """If given, the limits minimise the expected cost, and the first three rates above are not used."""
    certify_miss_rate: float = Field(default=0.008, gt=0, lt=1)
    """Share of defective pieces that may PASS, to be proven from independent defects of the calibration split."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """One-sided confidence of the certificate and of both limits."""


class TrainConfig(Section):
    """The whole of `train.toml`."""

    name: Name = "bundle"
    """Name of the bundle."""
    version: str = "1"
    """Version of the bundle."""
    token_dim: int = Field(default=32, ge=8, le=512)
    """Width of every expert's tokens."""
    num_threads: int = Field(default=1, gt=0)
    """CPU threads; a second one helps only on an idle machine, and slows training down on a busy one."""
    policy: Literal["auto", "dense", "static", "cascade", "learned", "budgeted"] = "auto"
    """`auto`: the cheapest of static sets, cascades and learned routers that is shown to lose nothing that matters
    against all experts; all experts where none is shown, as from fewer than about 100 independent defects."""
    num_folds: int = Field(default=5, ge=2)
    """Grouped folds of the training split, for choosing experts and for out-of-fold scores."""
    experts: tuple[ExpertConfig, ...] = ()
    """Empty: suitable experts for each camera and sensor are compared, and the best are kept. Experts given here are
    all used; they are fitted once, and only the calibration split is scored, unless `cross_fit` or `every_fold` is
    set."""
    cameras: Mapping[Name, CameraFraming] = {}
    """A table for each camera of which a part is judged, whose pictures are aligned, or cut into tiles: the bundle
    keeps it, and evaluation, line, replay and the Python interface do the same."""
    labels: Mapping[str, tuple[str, ...]] = {}
    """The cameras and sensors (or `image`, `signal`) that show a defect class, such as `crack = ["top"]`: gives labels
    per modality where the manifest has none. Without it, each expert learns every defect of the piece."""
    uncertain_labels: Literal["leave_out", "soft"] = "leave_out"
    """Pieces of split train with a `defect_probability`: `leave_out`, or `soft`, which teaches it to the encoders.
    Calibration and test leave them out in any case, and so does training with pieces that are just `unknown`."""
    cross_fit: bool = False
    """Also score training pieces with encoders of other folds, if `experts` are given."""
    refit: Literal["auto", "never"] = "auto"
    """`auto`: if the calibration split cannot certify `certify_miss_rate` and the encoders are quick to fit, they are
    fitted again on both splits, and thresholds come from out-of-fold scores of both."""
    rule: Rule = Rule.BOUND
    """When something more complex is taken: `bound`, if its gain is above zero with 95 % confidence, for all compared
    alternatives together and over independent recordings; `shrinkage`, always, but by the share of the gain that is no
    chance. Both shrink what was learned by that share."""
    head: HeadFitting = HeadFitting()
    """How the fusion head is fitted."""
    joint: JointFitting = JointFitting()
    """Whether encoders and head are fine-tuned together afterwards."""
    acceptance: Acceptance = Acceptance()
    """Acceptable error rates of the bundle's limits and routes."""


class TrainConfigError(ValueError):
    """Invalid training configuration; the message names key, value and remedy."""


def read_train_config(path: Path) -> TrainConfig:
    """Raises TrainConfigError with every problem of the file."""
    try:
        return load_toml(path, TrainConfig)
    except ConfigError as exc:
        raise TrainConfigError(str(exc)) from exc
