from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeploymentMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_MODE_UNSPECIFIED: _ClassVar[DeploymentMode]
    DEPLOYMENT_MODE_LIVE: _ClassVar[DeploymentMode]
    DEPLOYMENT_MODE_SHADOW: _ClassVar[DeploymentMode]
    DEPLOYMENT_MODE_CANARY: _ClassVar[DeploymentMode]

class WorkerPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_PHASE_UNSPECIFIED: _ClassVar[WorkerPhase]
    WORKER_PHASE_LOADING: _ClassVar[WorkerPhase]
    WORKER_PHASE_CHECKING: _ClassVar[WorkerPhase]
    WORKER_PHASE_READY: _ClassVar[WorkerPhase]
    WORKER_PHASE_LIVE: _ClassVar[WorkerPhase]
    WORKER_PHASE_REFUSED: _ClassVar[WorkerPhase]
    WORKER_PHASE_STOPPED: _ClassVar[WorkerPhase]
DEPLOYMENT_MODE_UNSPECIFIED: DeploymentMode
DEPLOYMENT_MODE_LIVE: DeploymentMode
DEPLOYMENT_MODE_SHADOW: DeploymentMode
DEPLOYMENT_MODE_CANARY: DeploymentMode
WORKER_PHASE_UNSPECIFIED: WorkerPhase
WORKER_PHASE_LOADING: WorkerPhase
WORKER_PHASE_CHECKING: WorkerPhase
WORKER_PHASE_READY: WorkerPhase
WORKER_PHASE_LIVE: WorkerPhase
WORKER_PHASE_REFUSED: WorkerPhase
WORKER_PHASE_STOPPED: WorkerPhase

class Deployment(_message.Message):
    __slots__ = ("number", "recipe", "folder", "bundle", "version", "digest", "mode", "share", "stations", "deployed_ns", "by", "reason", "rolls_back", "previous", "cancelled_reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    STATIONS_FIELD_NUMBER: _ClassVar[int]
    DEPLOYED_NS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROLLS_BACK_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    recipe: str
    folder: str
    bundle: str
    version: str
    digest: str
    mode: DeploymentMode
    share: float
    stations: _containers.RepeatedScalarFieldContainer[str]
    deployed_ns: int
    by: str
    reason: str
    rolls_back: int
    previous: int
    cancelled_reason: str
    def __init__(self, number: _Optional[int] = ..., recipe: _Optional[str] = ..., folder: _Optional[str] = ..., bundle: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., mode: _Optional[_Union[DeploymentMode, str]] = ..., share: _Optional[float] = ..., stations: _Optional[_Iterable[str]] = ..., deployed_ns: _Optional[int] = ..., by: _Optional[str] = ..., reason: _Optional[str] = ..., rolls_back: _Optional[int] = ..., previous: _Optional[int] = ..., cancelled_reason: _Optional[str] = ...) -> None: ...

class ActiveDeployment(_message.Message):
    __slots__ = ("live", "candidate")
    LIVE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    live: Deployment
    candidate: Deployment
    def __init__(self, live: _Optional[_Union[Deployment, _Mapping]] = ..., candidate: _Optional[_Union[Deployment, _Mapping]] = ...) -> None: ...

class WorkerState(_message.Message):
    __slots__ = ("worker", "recipe", "deployment", "phase", "detail", "at_ns", "live", "shadow_equal", "shadow_different", "engine", "digest", "live_digest")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_EQUAL_FIELD_NUMBER: _ClassVar[int]
    SHADOW_DIFFERENT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LIVE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    worker: str
    recipe: str
    deployment: int
    phase: WorkerPhase
    detail: str
    at_ns: int
    live: int
    shadow_equal: int
    shadow_different: int
    engine: str
    digest: str
    live_digest: str
    def __init__(self, worker: _Optional[str] = ..., recipe: _Optional[str] = ..., deployment: _Optional[int] = ..., phase: _Optional[_Union[WorkerPhase, str]] = ..., detail: _Optional[str] = ..., at_ns: _Optional[int] = ..., live: _Optional[int] = ..., shadow_equal: _Optional[int] = ..., shadow_different: _Optional[int] = ..., engine: _Optional[str] = ..., digest: _Optional[str] = ..., live_digest: _Optional[str] = ...) -> None: ...
