from protos.inspection.v1 import records_pb2 as _records_pb2
from protos.inspection.v1 import verdict_pb2 as _verdict_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchStart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WATCH_START_UNSPECIFIED: _ClassVar[WatchStart]
    WATCH_START_LIVE: _ClassVar[WatchStart]
    WATCH_START_EARLIEST: _ClassVar[WatchStart]
WATCH_START_UNSPECIFIED: WatchStart
WATCH_START_LIVE: WatchStart
WATCH_START_EARLIEST: WatchStart

class SignalClip(_message.Message):
    __slots__ = ("sensor", "kind", "samples")
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    kind: _records_pb2.SignalKind
    samples: _records_pb2.Samples
    def __init__(self, sensor: _Optional[str] = ..., kind: _Optional[_Union[_records_pb2.SignalKind, str]] = ..., samples: _Optional[_Union[_records_pb2.Samples, _Mapping]] = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ("inspection", "product", "frames", "signals")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    inspection: _records_pb2.Inspection
    product: str
    frames: _containers.RepeatedCompositeFieldContainer[_records_pb2.CameraFrame]
    signals: _containers.RepeatedCompositeFieldContainer[SignalClip]
    def __init__(self, inspection: _Optional[_Union[_records_pb2.Inspection, _Mapping]] = ..., product: _Optional[str] = ..., frames: _Optional[_Iterable[_Union[_records_pb2.CameraFrame, _Mapping]]] = ..., signals: _Optional[_Iterable[_Union[SignalClip, _Mapping]]] = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ("verdict",)
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    verdict: _verdict_pb2.Verdict
    def __init__(self, verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ...) -> None: ...

class WatchVerdictsRequest(_message.Message):
    __slots__ = ("lines", "stations", "products", "decisions", "resume_token", "start_at", "start_time_ns")
    LINES_FIELD_NUMBER: _ClassVar[int]
    STATIONS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    stations: _containers.RepeatedScalarFieldContainer[str]
    products: _containers.RepeatedScalarFieldContainer[str]
    decisions: _containers.RepeatedScalarFieldContainer[_verdict_pb2.Decision]
    resume_token: bytes
    start_at: WatchStart
    start_time_ns: int
    def __init__(self, lines: _Optional[_Iterable[str]] = ..., stations: _Optional[_Iterable[str]] = ..., products: _Optional[_Iterable[str]] = ..., decisions: _Optional[_Iterable[_Union[_verdict_pb2.Decision, str]]] = ..., resume_token: _Optional[bytes] = ..., start_at: _Optional[_Union[WatchStart, str]] = ..., start_time_ns: _Optional[int] = ...) -> None: ...

class WatchVerdictsResponse(_message.Message):
    __slots__ = ("verdict", "resume_token")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    verdict: _verdict_pb2.Verdict
    resume_token: bytes
    def __init__(self, verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ..., resume_token: _Optional[bytes] = ...) -> None: ...

class GetVerdictRequest(_message.Message):
    __slots__ = ("inspection",)
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    inspection: _records_pb2.Inspection
    def __init__(self, inspection: _Optional[_Union[_records_pb2.Inspection, _Mapping]] = ...) -> None: ...

class GetVerdictResponse(_message.Message):
    __slots__ = ("verdict",)
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    verdict: _verdict_pb2.Verdict
    def __init__(self, verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ...) -> None: ...

class SubmitFeedbackRequest(_message.Message):
    __slots__ = ("feedback",)
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    feedback: _records_pb2.Feedback
    def __init__(self, feedback: _Optional[_Union[_records_pb2.Feedback, _Mapping]] = ...) -> None: ...

class SubmitFeedbackResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("line", "station", "product")
    LINE_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    line: str
    station: str
    product: str
    def __init__(self, line: _Optional[str] = ..., station: _Optional[str] = ..., product: _Optional[str] = ...) -> None: ...

class ModelExpert(_message.Message):
    __slots__ = ("name", "modality", "scout", "cost_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    SCOUT_FIELD_NUMBER: _ClassVar[int]
    COST_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    modality: str
    scout: bool
    cost_ms: float
    def __init__(self, name: _Optional[str] = ..., modality: _Optional[str] = ..., scout: _Optional[bool] = ..., cost_ms: _Optional[float] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("bundle", "bundle_version", "engine", "classes", "experts", "model_card", "recipe", "recipe_version", "bundle_digest", "deployment")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_CARD_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    bundle_version: str
    engine: str
    classes: _containers.RepeatedScalarFieldContainer[str]
    experts: _containers.RepeatedCompositeFieldContainer[ModelExpert]
    model_card: str
    recipe: str
    recipe_version: str
    bundle_digest: str
    deployment: int
    def __init__(self, bundle: _Optional[str] = ..., bundle_version: _Optional[str] = ..., engine: _Optional[str] = ..., classes: _Optional[_Iterable[str]] = ..., experts: _Optional[_Iterable[_Union[ModelExpert, _Mapping]]] = ..., model_card: _Optional[str] = ..., recipe: _Optional[str] = ..., recipe_version: _Optional[str] = ..., bundle_digest: _Optional[str] = ..., deployment: _Optional[int] = ...) -> None: ...
