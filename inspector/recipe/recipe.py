"""Defines a recipe: how one product is judged at one station."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspector.framing.tables import CameraFraming
from inspector.plausibility.limits import Strictness
from inspector.recipe.alerts import RecipeAlert, ScoreAlert
from inspector.recipe.defects import DefectRules
from inspector.recipe.keep import Keep
from streams.join.assembly import AssemblySpec, BitDepth, CameraSpec, SensorSpec
from streams.join.pieces import EVENTS
from streams.observation import ModalityKind, SensorKind

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]
Share = Annotated[float, Field(ge=0, le=1)]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(Table):
    """Keys that cameras and sensors have in common."""

    name: Name
    """As its records name it, and as the bundle does."""
    required: bool = True
    """Without it no piece passes."""
    may_repeat: bool = False
    """A recording equal to that of an earlier piece is accepted, not treated as a frozen source: set it where values
    are drawn or set instead of measured, or to replay a data set that uses a recording twice."""
    plausibility: Strictness = "on"
    """Whether it must resemble good training recordings: `on`, `wide` (limits twice as far out), or `off`."""


class Camera(Source, CameraFraming):
    """One `[[cameras]]` table. `region`, `mask`, `align` and `tiles` stand in the bundle; a recipe may repeat them, and
    then they must agree."""

    num_frames: int = Field(default=1, ge=1, le=64)
    """Images of this camera that make a piece complete."""
    bit_depth: BitDepth | None = None
    """Bits that the camera fills, from the lowest; None: all of 8 or 16, as its images have."""


class Sensor(Source):
    """One `[[sensors]]` table; the window is relative to the anchor and belongs to time-bound sensors."""

    kind: SensorKind
    """What the sensor measures; experts are chosen by it. The page Cameras and sensors explains the kinds."""
    sample_rate_hz: float = Field(gt=0)
    """Rate of its records; another one is a dead letter."""
    num_channels: int = Field(default=1, ge=1, le=64)
    """Channels of its records; another number is a dead letter."""
    bind: Literal["time", "piece"] = "time"
    """`time`: a continuous stream, cut to the window; `piece`: one record that carries the piece's id."""
    start_s: float = 0.0
    """Start of the window, relative to the anchor."""
    end_s: float = 0.0
    """End of the window, relative to the anchor."""
    anchor: str = "entered"
    """`entered`, or the name of the camera whose first frame is the anchor."""
    min_coverage: float = Field(default=1.0, gt=0, le=1)
    """Share of the window that must be covered; with less the modality is missing."""

    @property
    def spec(self) -> SensorSpec:
        """The part that the join needs."""
        return SensorSpec(**self.model_dump(exclude={"required", "plausibility"}))

    @model_validator(mode="after")
    def _window_fits_binding(self) -> Self:
        if self.bind == "time" and self.end_s <= self.start_s:
            raise ValueError(
                f"sensor {self.name!r}: the window from start_s = {self.start_s} to end_s = {self.end_s} is empty; "
                f'end_s must be after start_s (or set bind = "piece" for a trace that carries the piece\'s id)'
            )
        return self


class Recipe(Table):
    """One recipe file. `line`, `station` and `product` are names or `*` for any."""

    name: Name
    """Unique among the recipes of a service."""
    version: str = Field(min_length=1, max_length=64)
    """Stands in every verdict; change it with every change of the file."""
    line: Name | Literal["*"] = "*"
    """Line that the recipe is for; `*`: any."""
    station: Name | Literal["*"] = "*"
    """Station that the recipe is for; `*`: any."""
    product: str = Field(default="*", min_length=1, max_length=128)
    """Product that the recipe is for, as records name it; `*`: any."""
    bundle: Path
    """Folder of the model bundle."""
    cameras: tuple[Camera, ...] = ()
    """One table for each camera. Without one, `entered` events open the pieces, or traces with the pieces' ids."""
    sensors: tuple[Sensor, ...] = ()
    """One table for each microphone, accelerometer or process trace."""
    capture_span_s: float = Field(default=0.5, ge=0)
    """All frames of a piece are captured within this time after its entry."""
    pass_below: Share | None = None
    """Scores below this one pass; None takes the limit of the bundle's calibration."""
    fail_above: Share | None = None
    """Scores above this one fail; None takes the limit of the bundle's calibration."""
    certified_miss_rate: float | None = Field(default=None, gt=0, lt=1)
    """Share of defective pieces that may PASS, proven: where the bundle's certificate does not cover it, only
    pieces below its safe limit pass. None: the bundle's usual limits."""
    parity_max_flips: Share = 0.002
    """Share of the parity set's pieces, one at least, whose decision an engine may change; 0: none. Above it, or with a
    defective piece that newly passes, the engine is refused."""
    deadline_s: float = Field(default=2.0, gt=0)
    """From the capture of the last frame to the verdict."""
    stale_after_s: float = Field(default=30.0, gt=0)
    """A piece that waited longer in the log is a backlog."""
    backlog: Literal["review", "judge"] = "review"
    """How a piece in a backlog is judged: `review` without running experts, or `judge` as usual."""
    golden: Path | None = None
    """Manifest of labelled pieces, which a deployed bundle must decide correctly before it judges: good ones PASS,
    defective ones do not."""
    engine_fault: Literal["fall_back", "stop"] = "fall_back"
    """When the device that judges fails: ONNX Runtime judges on, or the worker stops before it commits these pieces.
    Falling back changes speed and, within the limits of the parity gate, no decision; a line that stops costs all."""
    evidence: Literal["not_pass", "always", "never"] = "not_pass"
    """Which verdicts carry heat maps and regions: those that are not PASS, all, or none."""
    full_evidence_on_fail: bool = False
    """Runs the skipped experts too for a piece that fails early, so that its evidence is complete."""
    alerts: tuple[RecipeAlert, ...] = Field(default=(), max_length=64)
    """Conditions over several verdicts that people should hear of."""
    defects: DefectRules = Field(default={}, max_length=256)
    """Rules about single defect classes, one table `[defects.NAME]` for each."""
    keep: Keep = Keep()
    """Which recordings are kept, and for how long."""

    @model_validator(mode="after")
    def _something_is_recorded(self) -> Self:
        if not self.sources:
            raise ValueError("names neither a camera nor a sensor; add a table [[cameras]] or [[sensors]] for each")
        return self

    @model_validator(mode="after")
    def _names_are_one_each(self) -> Self:
        names = [source.name for source in self.sources]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(
                f"the names {doubled} are used more than once; cameras and sensors need names of their own"
            )
        if EVENTS in names:
            raise ValueError(
                f"a camera or sensor is named {EVENTS!r}, as the source of piece events is, and would share its clock: "
                "choose another name"
            )
        return self

    @model_validator(mode="after")
    def _anchors_exist(self) -> Self:
        known = {"entered", *(camera.name for camera in self.cameras)}
        traces = {sensor.name for sensor in self.sensors if sensor.bind == "piece"}
        for sensor in self.sensors:
            if sensor.anchor in traces:
                raise ValueError(
                    f"sensor {sensor.name!r}: anchor {sensor.anchor!r} is a trace, which is no anchor: count from "
                    "'entered', or from a camera; where a trace opens its piece, 'entered' is the end of that trace, "
                    "and a negative start_s reaches back into it"
                )
            if sensor.anchor not in known:
                raise ValueError(f"sensor {sensor.name!r}: anchor {sensor.anchor!r} is none of {sorted(known)}")
        return self

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.pass_below is not None and self.fail_above is not None and self.pass_below > self.fail_above:
            raise ValueError(
                f"pass_below = {self.pass_below} lies above fail_above = {self.fail_above}; swap or raise it"
            )
        return self

    @model_validator(mode="after")
    def _promise_stands_alone(self) -> Self:
        changes = {
            "pass_below": self.pass_below is not None,
            "fail_above": self.fail_above is not None,
            "full_evidence_on_fail": self.full_evidence_on_fail,
        }
        given = [name for name, is_set in changes.items() if is_set]
        if self.certified_miss_rate is not None and given:
            raise ValueError(
                f"certified_miss_rate = {self.certified_miss_rate} holds for the bundle's own limits and routes, and "
                f"{', '.join(given)} would change these; remove one or the other"
            )
        return self

    @model_validator(mode="after")
    def _alerts_fit(self) -> Self:
        names = [alert.name for alert in self.alerts]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the alert names {doubled} are used more than once; each alert needs a name of its own")
        known = {source.name for source in self.sources}
        for alert in self.alerts:
            if isinstance(alert, ScoreAlert) and alert.sensor not in known:
                raise ValueError(f"alert {alert.name!r}: sensor {alert.sensor!r} is none of {sorted(known)}")
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Cameras, then sensors."""
        return (*self.cameras, *self.sensors)

    @property
    def assembly(self) -> AssemblySpec:
        """The recordings that the join gathers for a piece."""
        cameras = tuple(
            CameraSpec(camera.name, camera.num_frames, camera.may_repeat, camera.bit_depth) for camera in self.cameras
        )
        return AssemblySpec(cameras, tuple(sensor.spec for sensor in self.sensors), self.capture_span_s)

    @property
    def kinds(self) -> dict[str, ModalityKind]:
        """Every modality's kind, cameras first."""
        cameras: dict[str, ModalityKind] = {camera.name: "image" for camera in self.cameras}
        return cameras | {sensor.name: sensor.kind for sensor in self.sensors}

    @property
    def plausibility(self) -> dict[str, Strictness]:
        """By camera and sensor."""
        return {source.name: source.plausibility for source in self.sources}

    @property
    def required(self) -> frozenset[str]:
        """Modalities without which no piece passes."""
        return frozenset(source.name for source in self.sources if source.required)
