"""Presents a verdict as typed Python values."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
from google.protobuf.json_format import MessageToDict
from numpy.typing import NDArray

from protos.inspection.v1 import verdict_pb2 as pb

Decision = Literal["PASS", "FAIL", "REVIEW"]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an image that speaks for a defect, in pixels of the image as it was passed."""

    camera: str
    x_px: int
    y_px: int
    width_px: int
    height_px: int
    strength: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class SignalRegion:
    """A stretch of a recording that speaks for a defect; `low_hz`, `high_hz` None: the expert does not separate
    frequencies."""

    sensor: str
    start_s: float
    end_s: float
    low_hz: float | None
    high_hz: float | None
    strength: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Modality:
    """What one camera or sensor contributed."""

    name: str
    state: Literal["PRESENT", "MISSING", "STALE", "IMPLAUSIBLE", "UNSPECIFIED"]
    reason: str
    """Why it is not present; empty where it is."""
    detail: str
    """Measured and expected value of an implausible recording, and the likely cause."""
    gate_weight: float | None
    """Weight of this modality in the fusion, 0 to 1."""
    score: float | None
    """Calibrated probability that this recording shows a defect."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one piece. Equal recordings give the verdict that the service gives."""

    message: pb.Verdict
    """All fields, as they travel on the wire."""

    @property
    def piece_id(self) -> str:
        return self.message.inspection.piece_id

    @property
    def decision(self) -> Decision:
        name = pb.Decision.Name(self.message.decision).removeprefix("DECISION_")
        return cast("Decision", name if name in {"PASS", "FAIL"} else "REVIEW")

    @property
    def reason(self) -> str:
        """Such as GOOD, DEFECT, UNCERTAIN, MISSING_MODALITY or IMPLAUSIBLE; see docs/reference/codes."""
        return pb.DecisionReason.Name(self.message.reason).removeprefix("DECISION_REASON_")

    @property
    def score(self) -> float | None:
        """Calibrated probability that the piece is defective, 0 to 1; None where nothing was judged."""
        return _optional(self.message, "defect_score")

    @property
    def classes(self) -> Mapping[str, float | None]:
        """Calibrated probability of each defect class, 0 to 1; None where it was not examined or not calibrated."""
        return {each.name: _optional(each, "probability") for each in self.message.classes}

    @property
    def defects(self) -> tuple[str, ...]:
        """Classes that stand out, most likely first; of a piece that fails at least the likeliest, or `unknown defect`.
        Empty for PASS."""
        return tuple(self.message.defects)

    @property
    def severity(self) -> str:
        """Highest severity that the recipe gives one of `defects`: critical, major or minor; empty: none."""
        return self.message.severity

    @property
    def regions(self) -> tuple[Region, ...]:
        """Of all cameras, the strongest first. Empty where the recipe asks for no evidence, as for pieces that pass."""
        regions = (
            Region(image.camera, each.x_px, each.y_px, each.width_px, each.height_px, each.strength)
            for image in self.message.images
            for each in image.regions
        )
        return tuple(sorted(regions, key=lambda region: -region.strength))

    @property
    def signal_regions(self) -> tuple[SignalRegion, ...]:
        return tuple(
            SignalRegion(
                each.sensor,
                each.start_s,
                each.end_s,
                _optional(each, "low_hz"),
                _optional(each, "high_hz"),
                each.strength,
            )
            for each in self.message.signals
        )

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """By camera or sensor."""
        return {each.name: _modality(each) for each in self.message.modalities}

    @property
    def experts(self) -> Mapping[str, bool]:
        """Whether each expert of the bundle ran for this piece."""
        return {run.expert: run.ran for run in self.message.experts}

    @property
    def cost_ms(self) -> float:
        """Computing time that all experts and the fusion head spent on this piece."""
        return self.message.cost_ms

    def heat_map(self, camera: str) -> NDArray[np.uint8] | None:
        """(height, width) from 0 to 255 over the whole image, smaller than it; None where there is no evidence."""
        for image in self.message.images:
            if image.camera == camera and image.heat_map_png:
                data = np.frombuffer(image.heat_map_png, np.uint8)
                return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        return None

    def to_dict(self) -> dict[str, object]:
        """JSON-ready values under the names of the wire; bytes in base64."""
        return MessageToDict(self.message, preserving_proto_field_name=True)

    def show(self) -> None:
        """Prints decision, reason, scores and regions."""
        print(self)

    def __str__(self) -> str:
        lines = [
            f"{self.piece_id or 'piece'}: {self.decision} ({self.reason.lower()}){_percent(self.score, ', defect ')}"
        ]
        if self.defects:
            severity = f" ({self.severity})" if self.severity else ""
            lines.append(f"  defects: {', '.join(self.defects)}{severity}")
        classes = {name: value for name, value in self.classes.items() if value is not None}
        top = sorted(classes, key=lambda name: -classes[name])[:3]
        if top:
            lines.append("  classes: " + ", ".join(f"{name} {classes[name]:.1%}" for name in top))
        for modality in self.modalities.values():
            problem = f" ({modality.reason.lower()}) {modality.detail}".rstrip() if modality.reason else ""
            lines.append(f"  {modality.name}: {modality.state.lower()}{problem}{_percent(modality.score, ', defect ')}")
        for region in self.regions[:3]:
            lines.append(
                f"  {region.camera}: {region.width_px} x {region.height_px} px at ({region.x_px}, {region.y_px}), "
                f"strength {region.strength:.2f}"
            )
        ran = [name for name, has_run in self.experts.items() if has_run]
        lines.append(f"  experts: {', '.join(ran) or 'none'} in {self.cost_ms:.1f} ms")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The text and the heat maps, for a notebook."""
        maps = "".join(
            f'<figure><img alt="heat map of {html.escape(image.camera)}" style="width:16em;image-rendering:pixelated" '
            f'src="data:image/png;base64,{base64.b64encode(image.heat_map_png).decode()}">'
            f"<figcaption>{html.escape(image.camera)}</figcaption></figure>"
            for image in self.message.images
            if image.heat_map_png
        )
        return f"<pre>{html.escape(str(self))}</pre>{maps}"


def _modality(message: pb.Modality) -> Modality:
    state = pb.ModalityState.Name(message.state).removeprefix("MODALITY_STATE_")
    reason = pb.ModalityReason.Name(message.reason).removeprefix("MODALITY_REASON_") if message.reason else ""
    return Modality(
        message.name,
        cast("Literal['PRESENT']", state),
        reason,
        message.detail,
        _optional(message, "gate_weight"),
        _optional(message, "defect_score"),
    )


def _optional(message: pb.Verdict | pb.ClassProbability | pb.Modality | pb.SignalEvidence, name: str) -> float | None:
    return float(getattr(message, name)) if message.HasField(name) else None


def _percent(value: float | None, before: str) -> str:
    return "" if value is None else f"{before}{value:.1%}"
