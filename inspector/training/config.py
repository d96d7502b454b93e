"""Says how a bundle is trained: the content of `train.toml`, and what is taken where it says nothing.

Knows the manifest's cameras and sensors, but neither torch nor a file's pixels.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fusion.calibration import Risk
from inspector.bundle.schema import Name


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fitting(Section):
    """How one encoder is fitted; None takes what suits its kind."""

    epochs: int | None = Field(default=None, gt=0)
    """Passes over the training recordings."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Largest step size of the optimiser."""
    batch_size: int = Field(default=32, gt=1)
    """Recordings in one step."""
    accumulate: int = Field(default=1, ge=1)
    """Parts that a batch goes through in, gradients summed: for large networks where memory is small."""
    every_fold: bool = False
    """Networks: score every fold, not one, and fit once more on all; nothing is then stopped early."""


class ImageExpert(Section):
    """An expert that looks at one camera through rows x cols tiles of height_px x width_px each."""

    type: Literal["image"] = "image"
    """Says that the expert looks at images."""
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
    """How a network's maps become log-odds: evidence at every place, or a kernel machine on their statistics (frozen
    networks, and `rings` for wafer-like maps)."""
    stages: tuple[int, ...] = (-2, -1)
    """Stages of a network from timm that are read, fine to coarse; what lies behind the last of them does not run."""
    context: bool = False
    """Places are read together with their neighbours."""
    freeze: bool = False
    """Keep the backbone as it starts and fit the readout alone: right for some hundred pictures, and faster."""
    tuning: Literal["frozen", "lora", "full"] | None = None
    """How a backbone from timm is fitted; None: as `freeze` and the number of recordings say."""
    turn: Literal["none", "right_angles", "any"] = "right_angles"
    """Augmentation: pictures of the product have no up, left or right."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Augmentation: random change of contrast and brightness."""
    fitting: Fitting = Fitting()
    """How it is fitted."""


class SignalExpert(Section):
    """An expert that listens to one sensor: log-mel with a small network, or temporal convolutions on raw samples."""

    type: Literal["signal"] = "signal"
    """Says that the expert listens to a signal."""
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
    """Most steps that cross-fitting may choose; 0 leaves noisy-or."""
    check_every: int = Field(default=10, gt=0)
    """Steps between two candidates that cross-fitting compares."""
    learning_rate: float = Field(default=1.5e-3, gt=0)
    """Step size of the optimiser."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Pull of the weights towards zero."""
    num_folds: int = Field(default=3, ge=2)
    """Grouped folds of the calibration split for cross-fitting."""


class Prices(Section):
    """What a decision costs, in any one currency: an escape, a false reject, a look by a person."""

    escape: float = Field(gt=0)
    """A defective piece that passes."""
    false_reject: float = Field(gt=0)
    """A good piece that fails."""
    review: float = Field(gt=0)
    """A piece that a person looks at."""


class JointFitting(Section):
    """Fitting encoders and head together, after the encoders by themselves."""

    epochs: int = Field(default=0, ge=0)
    """0: none, unless `automatic` finds a reason."""
    automatic: bool = True
    """Where training pieces are defective although each of their modalities is labelled good."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Of the encoders, which are nearly done."""
    head_learning_rate: float = Field(default=1e-3, gt=0)
    """At 6e-3 a thousand steps learned the training pieces by heart."""
    head_steps: int = Field(default=300, gt=0)
    """Of the head alone, in the first epoch."""
    batch_size: int = Field(default=32, gt=1)
    """Pieces in one step."""
    auxiliary: float = Field(default=0.3, ge=0)
    """Weight of each expert's own loss."""
    alignment: float = Field(default=0.3, ge=0)
    """Weight of the contrast between modalities of good pieces."""


class Acceptance(Section):
    """What the limits and the routing may cost, measured on the calibration split."""

    miss_rate: float = Field(default=0.02, ge=0, le=1)
    """Share of defective pieces that may pass."""
    false_reject_rate: float = Field(default=0.02, ge=0, le=1)
    """Share of good pieces that may fail."""
    review_share: float = Field(default=0.15, ge=0, le=1)
    """With all modalities present; with fewer the rates stand, whatever goes to REVIEW."""
    routing_risk: float = Field(default=0.005, ge=0, le=1)
    """Share of pieces that may be decided otherwise because experts were left out, for each of PASS and FAIL."""

    costs: Prices | None = None
    """Where given, the limits are those of the least expected cost, and the three rates above are not used."""
    certify_miss_rate: float = Field(default=0.008, gt=0, lt=1)
    """Share of defective pieces that may PASS, to be proven from independent defects of the calibration split."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Confidence of the certificate."""

    def risk(self, review_share: float) -> Risk:
        return Risk(self.miss_rate, self.false_reject_rate, review_share)


class TrainConfig(Section):
    """The whole of `train.toml`."""

    name: Name = "bundle"
    """Name of the bundle."""
    version: str = "1"
    """Version of the bundle."""
    token_dim: int = Field(default=32, ge=8, le=512)
    """Width of every expert's tokens."""
    num_threads: int = Field(default=1, gt=0)
    """A second thread helps only where the machine has nothing else to do, and costs much where it has."""
    policy: Literal["auto", "dense", "static", "cascade", "learned", "budgeted"] = "auto"
    """`auto`: a cascade or a learned router where it saves computing against the cheapest static set as good."""
    num_folds: int = Field(default=5, ge=2)
    """Grouped folds of the training split, by which experts compete and training pieces are scored unseen."""
    experts: tuple[ExpertConfig, ...] = ()
    """Empty: experts that suit each camera and sensor compete. Those given here are all taken; they are fitted once,
    and only pieces of the calibration split are scored, unless `cross_fit` or their own `every_fold` asks for more."""
    labels: Mapping[str, tuple[str, ...]] = {}
    """Which cameras and sensors (or `image`, `signal`) a class of defects shows in, such as `crack = ["top"]`: labels
    per modality where the manifest has none. Without any, each expert learns every defect of the piece."""
    cross_fit: bool = False
    """Also scores training pieces by encoders of other folds, where `experts` are given."""
    refit: Literal["auto", "never"] = "auto"
    """`auto`: where the calibration split cannot certify what is asked and the encoders are quick to fit, they are
    fitted once more with its pieces, and thresholds come from scores out of fold of both splits."""
    head: HeadFitting = HeadFitting()
    """How the fusion head is fitted."""
    joint: JointFitting = JointFitting()
    """Whether encoders and head are fitted together afterwards."""
    acceptance: Acceptance = Acceptance()
    """What the bundle's limits and routes may cost."""


class TrainConfigError(ValueError):
    """A training configuration that cannot be used; the message names key, value and remedy."""


def read_train_config(path: Path) -> TrainConfig:
    try:
        return TrainConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise TrainConfigError(f"{path}: {exc}; name a TOML file that can be read") from exc
    except ValidationError as exc:
        errors = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise TrainConfigError(f"{path}: {errors}; correct or remove these keys") from exc
