from protos.inspection.v1 import records_pb2 as _records_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_PASS: _ClassVar[Decision]
    DECISION_FAIL: _ClassVar[Decision]
    DECISION_REVIEW: _ClassVar[Decision]

class DecisionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_REASON_UNSPECIFIED: _ClassVar[DecisionReason]
    DECISION_REASON_GOOD: _ClassVar[DecisionReason]
    DECISION_REASON_DEFECT: _ClassVar[DecisionReason]
    DECISION_REASON_UNCERTAIN: _ClassVar[DecisionReason]
    DECISION_REASON_NO_IMAGE: _ClassVar[DecisionReason]
    DECISION_REASON_MISSING_MODALITY: _ClassVar[DecisionReason]
    DECISION_REASON_ABORTED: _ClassVar[DecisionReason]
    DECISION_REASON_NO_RECIPE: _ClassVar[DecisionReason]
    DECISION_REASON_BACKLOG: _ClassVar[DecisionReason]
    DECISION_REASON_OVERLOAD: _ClassVar[DecisionReason]
    DECISION_REASON_ENGINE: _ClassVar[DecisionReason]
    DECISION_REASON_IMPLAUSIBLE: _ClassVar[DecisionReason]
    DECISION_REASON_ID_READ_TWICE: _ClassVar[DecisionReason]
    DECISION_REASON_CLASS_LIMIT: _ClassVar[DecisionReason]
    DECISION_REASON_CLASS_REVIEW: _ClassVar[DecisionReason]

class ModalityState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_STATE_UNSPECIFIED: _ClassVar[ModalityState]
    MODALITY_STATE_PRESENT: _ClassVar[ModalityState]
    MODALITY_STATE_MISSING: _ClassVar[ModalityState]
    MODALITY_STATE_STALE: _ClassVar[ModalityState]
    MODALITY_STATE_IMPLAUSIBLE: _ClassVar[ModalityState]

class ModalityReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_REASON_UNSPECIFIED: _ClassVar[ModalityReason]
    MODALITY_REASON_NOT_RECEIVED: _ClassVar[ModalityReason]
    MODALITY_REASON_COVERAGE: _ClassVar[ModalityReason]
    MODALITY_REASON_UNDECODABLE: _ClassVar[ModalityReason]
    MODALITY_REASON_REFERENCE: _ClassVar[ModalityReason]
    MODALITY_REASON_NO_ANCHOR: _ClassVar[ModalityReason]
    MODALITY_REASON_NOT_EXAMINED: _ClassVar[ModalityReason]
    MODALITY_REASON_EXPOSURE: _ClassVar[ModalityReason]
    MODALITY_REASON_CONTRAST: _ClassVar[ModalityReason]
    MODALITY_REASON_SHARPNESS: _ClassVar[ModalityReason]
    MODALITY_REASON_NOISE: _ClassVar[ModalityReason]
    MODALITY_REASON_SATURATED: _ClassVar[ModalityReason]
    MODALITY_REASON_FORMAT: _ClassVar[ModalityReason]
    MODALITY_REASON_FROZEN: _ClassVar[ModalityReason]
    MODALITY_REASON_LEVEL: _ClassVar[ModalityReason]
    MODALITY_REASON_CLIPPED: _ClassVar[ModalityReason]
    MODALITY_REASON_OFFSET: _ClassVar[ModalityReason]
    MODALITY_REASON_DEAD_CHANNEL: _ClassVar[ModalityReason]
    MODALITY_REASON_CLOCK: _ClassVar[ModalityReason]
    MODALITY_REASON_SIZE: _ClassVar[ModalityReason]
    MODALITY_REASON_ALIGNMENT: _ClassVar[ModalityReason]
DECISION_UNSPECIFIED: Decision
DECISION_PASS: Decision
DECISION_FAIL: Decision
DECISION_REVIEW: Decision
DECISION_REASON_UNSPECIFIED: DecisionReason
DECISION_REASON_GOOD: DecisionReason
DECISION_REASON_DEFECT: DecisionReason
DECISION_REASON_UNCERTAIN: DecisionReason
DECISION_REASON_NO_IMAGE: DecisionReason
DECISION_REASON_MISSING_MODALITY: DecisionReason
DECISION_REASON_ABORTED: DecisionReason
DECISION_REASON_NO_RECIPE: DecisionReason
DECISION_REASON_BACKLOG: DecisionReason
DECISION_REASON_OVERLOAD: DecisionReason
DECISION_REASON_ENGINE: DecisionReason
DECISION_REASON_IMPLAUSIBLE: DecisionReason
DECISION_REASON_ID_READ_TWICE: DecisionReason
DECISION_REASON_CLASS_LIMIT: DecisionReason
DECISION_REASON_CLASS_REVIEW: DecisionReason
MODALITY_STATE_UNSPECIFIED: ModalityState
MODALITY_STATE_PRESENT: ModalityState
MODALITY_STATE_MISSING: ModalityState
MODALITY_STATE_STALE: ModalityState
MODALITY_STATE_IMPLAUSIBLE: ModalityState
MODALITY_REASON_UNSPECIFIED: ModalityReason
MODALITY_REASON_NOT_RECEIVED: ModalityReason
MODALITY_REASON_COVERAGE: ModalityReason
MODALITY_REASON_UNDECODABLE: ModalityReason
MODALITY_REASON_REFERENCE: ModalityReason
MODALITY_REASON_NO_ANCHOR: ModalityReason
MODALITY_REASON_NOT_EXAMINED: ModalityReason
MODALITY_REASON_EXPOSURE: ModalityReason
MODALITY_REASON_CONTRAST: ModalityReason
MODALITY_REASON_SHARPNESS: ModalityReason
MODALITY_REASON_NOISE: ModalityReason
MODALITY_REASON_SATURATED: ModalityReason
MODALITY_REASON_FORMAT: ModalityReason
MODALITY_REASON_FROZEN: ModalityReason
MODALITY_REASON_LEVEL: ModalityReason
MODALITY_REASON_CLIPPED: ModalityReason
MODALITY_REASON_OFFSET: ModalityReason
MODALITY_REASON_DEAD_CHANNEL: ModalityReason
MODALITY_REASON_CLOCK: ModalityReason
MODALITY_REASON_SIZE: ModalityReason
MODALITY_REASON_ALIGNMENT: ModalityReason

class Modality(_message.Message):
    __slots__ = ("name", "kind", "state", "reason", "coverage", "gate_weight", "defect_score", "contribution", "detail", "raw_defect_score")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    GATE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DEFECT_SCORE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RAW_DEFECT_SCORE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    state: ModalityState
    reason: ModalityReason
    coverage: float
    gate_weight: float
    defect_score: float
    contribution: float
    detail: str
    raw_defect_score: float
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[ModalityState, str]] = ..., reason: _Optional[_Union[ModalityReason, str]] = ..., coverage: _Optional[float] = ..., gate_weight: _Optional[float] = ..., defect_score: _Optional[float] = ..., contribution: _Optional[float] = ..., detail: _Optional[str] = ..., raw_defect_score: _Optional[float] = ...) -> None: ...

class ExpertRun(_message.Message):
    __slots__ = ("expert", "modality", "ran", "cost_ms", "why")
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    RAN_FIELD_NUMBER: _ClassVar[int]
    COST_MS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    expert: str
    modality: str
    ran: bool
    cost_ms: float
    why: str
    def __init__(self, expert: _Optional[str] = ..., modality: _Optional[str] = ..., ran: _Optional[bool] = ..., cost_ms: _Optional[float] = ..., why: _Optional[str] = ...) -> None: ...

class ClassProbability(_message.Message):
    __slots__ = ("name", "probability", "raw_score", "severity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    probability: float
    raw_score: float
    severity: str
    def __init__(self, name: _Optional[str] = ..., probability: _Optional[float] = ..., raw_score: _Optional[float] = ..., severity: _Optional[str] = ...) -> None: ...

class ImageRegion(_message.Message):
    __slots__ = ("x_px", "y_px", "width_px", "height_px", "strength")
    X_PX_FIELD_NUMBER: _ClassVar[int]
    Y_PX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    x_px: int
    y_px: int
    width_px: int
    height_px: int
    strength: float
    def __init__(self, x_px: _Optional[int] = ..., y_px: _Optional[int] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., strength: _Optional[float] = ...) -> None: ...

class ImageEvidence(_message.Message):
    __slots__ = ("camera", "regions", "heat_map_png")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    HEAT_MAP_PNG_FIELD_NUMBER: _ClassVar[int]
    camera: str
    regions: _containers.RepeatedCompositeFieldContainer[ImageRegion]
    heat_map_png: bytes
    def __init__(self, camera: _Optional[str] = ..., regions: _Optional[_Iterable[_Union[ImageRegion, _Mapping]]] = ..., heat_map_png: _Optional[bytes] = ...) -> None: ...

class SignalEvidence(_message.Message):
    __slots__ = ("sensor", "start_s", "end_s", "low_hz", "high_hz", "strength")
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    LOW_HZ_FIELD_NUMBER: _ClassVar[int]
    HIGH_HZ_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    strength: float
    def __init__(self, sensor: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., low_hz: _Optional[float] = ..., high_hz: _Optional[float] = ..., strength: _Optional[float] = ...) -> None: ...

class FrameInput(_message.Message):
    __slots__ = ("camera", "offset_steps", "bit_depth")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_STEPS_FIELD_NUMBER: _ClassVar[int]
    BIT_DEPTH_FIELD_NUMBER: _ClassVar[int]
    camera: str
    offset_steps: _containers.RepeatedScalarFieldContainer[int]
    bit_depth: int
    def __init__(self, camera: _Optional[str] = ..., offset_steps: _Optional[_Iterable[int]] = ..., bit_depth: _Optional[int] = ...) -> None: ...

class SampleSpan(_message.Message):
    __slots__ = ("at", "stream_id", "first_sample", "num_samples", "offset_steps")
    AT_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_STEPS_FIELD_NUMBER: _ClassVar[int]
    at: int
    stream_id: str
    first_sample: int
    num_samples: int
    offset_steps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, at: _Optional[int] = ..., stream_id: _Optional[str] = ..., first_sample: _Optional[int] = ..., num_samples: _Optional[int] = ..., offset_steps: _Optional[_Iterable[int]] = ...) -> None: ...

class SignalInput(_message.Message):
    __slots__ = ("sensor", "first_ns", "num_samples", "spans")
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    first_ns: int
    num_samples: int
    spans: _containers.RepeatedCompositeFieldContainer[SampleSpan]
    def __init__(self, sensor: _Optional[str] = ..., first_ns: _Optional[int] = ..., num_samples: _Optional[int] = ..., spans: _Optional[_Iterable[_Union[SampleSpan, _Mapping]]] = ...) -> None: ...

class Inputs(_message.Message):
    __slots__ = ("partition", "frames", "signals")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    partition: int
    frames: _containers.RepeatedCompositeFieldContainer[FrameInput]
    signals: _containers.RepeatedCompositeFieldContainer[SignalInput]
    def __init__(self, partition: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[FrameInput, _Mapping]]] = ..., signals: _Optional[_Iterable[_Union[SignalInput, _Mapping]]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("inspection", "product", "lot", "recipe", "recipe_version", "bundle", "bundle_version", "engine", "decision", "reason", "defect_score", "pass_below", "fail_above", "classes", "modalities", "experts", "images", "signals", "route", "cost_ms", "capture_ns", "arrival_ns", "decision_ns", "publish_ns", "deadline_missed", "revision", "entry_ns", "bundle_digest", "deployment", "shadow", "inputs", "defects", "class_rule", "severity")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DEFECT_SCORE_FIELD_NUMBER: _ClassVar[int]
    PASS_BELOW_FIELD_NUMBER: _ClassVar[int]
    FAIL_ABOVE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    COST_MS_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_NS_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_NS_FIELD_NUMBER: _ClassVar[int]
    DECISION_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_NS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MISSED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ENTRY_NS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DEFECTS_FIELD_NUMBER: _ClassVar[int]
    CLASS_RULE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    inspection: _records_pb2.Inspection
    product: str
    lot: str
    recipe: str
    recipe_version: str
    bundle: str
    bundle_version: str
    engine: str
    decision: Decision
    reason: DecisionReason
    defect_score: float
    pass_below: float
    fail_above: float
    classes: _containers.RepeatedCompositeFieldContainer[ClassProbability]
    modalities: _containers.RepeatedCompositeFieldContainer[Modality]
    experts: _containers.RepeatedCompositeFieldContainer[ExpertRun]
    images: _containers.RepeatedCompositeFieldContainer[ImageEvidence]
    signals: _containers.RepeatedCompositeFieldContainer[SignalEvidence]
    route: str
    cost_ms: float
    capture_ns: int
    arrival_ns: int
    decision_ns: int
    publish_ns: int
    deadline_missed: bool
    revision: int
    entry_ns: int
    bundle_digest: str
    deployment: int
    shadow: bool
    inputs: Inputs
    defects: _containers.RepeatedScalarFieldContainer[str]
    class_rule: str
    severity: str
    def __init__(self, inspection: _Optional[_Union[_records_pb2.Inspection, _Mapping]] = ..., product: _Optional[str] = ..., lot: _Optional[str] = ..., recipe: _Optional[str] = ..., recipe_version: _Optional[str] = ..., bundle: _Optional[str] = ..., bundle_version: _Optional[str] = ..., engine: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[_Union[DecisionReason, str]] = ..., defect_score: _Optional[float] = ..., pass_below: _Optional[float] = ..., fail_above: _Optional[float] = ..., classes: _Optional[_Iterable[_Union[ClassProbability, _Mapping]]] = ..., modalities: _Optional[_Iterable[_Union[Modality, _Mapping]]] = ..., experts: _Optional[_Iterable[_Union[ExpertRun, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[ImageEvidence, _Mapping]]] = ..., signals: _Optional[_Iterable[_Union[SignalEvidence, _Mapping]]] = ..., route: _Optional[str] = ..., cost_ms: _Optional[float] = ..., capture_ns: _Optional[int] = ..., arrival_ns: _Optional[int] = ..., decision_ns: _Optional[int] = ..., publish_ns: _Optional[int] = ..., deadline_missed: _Optional[bool] = ..., revision: _Optional[int] = ..., entry_ns: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., deployment: _Optional[int] = ..., shadow: _Optional[bool] = ..., inputs: _Optional[_Union[Inputs, _Mapping]] = ..., defects: _Optional[_Iterable[str]] = ..., class_rule: _Optional[str] = ..., severity: _Optional[str] = ...) -> None: ...
