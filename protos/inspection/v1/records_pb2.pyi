from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_FORMAT_UNSPECIFIED: _ClassVar[PixelFormat]
    PIXEL_FORMAT_PNG: _ClassVar[PixelFormat]
    PIXEL_FORMAT_JPEG: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BGR8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGB8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BGRA8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGBA8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_RG8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_GR8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_GB8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_BG8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_RG16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_GR16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_GB16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BAYER_BG16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO10P: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO12P: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO12_PACKED: _ClassVar[PixelFormat]
    PIXEL_FORMAT_UYVY: _ClassVar[PixelFormat]
    PIXEL_FORMAT_YUYV: _ClassVar[PixelFormat]
    PIXEL_FORMAT_NV12: _ClassVar[PixelFormat]
    PIXEL_FORMAT_I420: _ClassVar[PixelFormat]
    PIXEL_FORMAT_TIFF: _ClassVar[PixelFormat]
    PIXEL_FORMAT_BMP: _ClassVar[PixelFormat]
    PIXEL_FORMAT_MONO10_PACKED: _ClassVar[PixelFormat]

class SignalKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_KIND_UNSPECIFIED: _ClassVar[SignalKind]
    SIGNAL_KIND_AUDIO: _ClassVar[SignalKind]
    SIGNAL_KIND_VIBRATION: _ClassVar[SignalKind]
    SIGNAL_KIND_TRACE: _ClassVar[SignalKind]

class SampleFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_FORMAT_UNSPECIFIED: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_S16LE: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_F32LE: _ClassVar[SampleFormat]

class PieceEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIECE_EVENT_KIND_UNSPECIFIED: _ClassVar[PieceEventKind]
    PIECE_EVENT_KIND_ENTERED: _ClassVar[PieceEventKind]
    PIECE_EVENT_KIND_LEFT: _ClassVar[PieceEventKind]
    PIECE_EVENT_KIND_ABORTED: _ClassVar[PieceEventKind]

class DeadLetterReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_REASON_UNSPECIFIED: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_UNKNOWN_TYPE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_MALFORMED: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_INVALID_FIELD: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_MISADDRESSED: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_TOO_LARGE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_BAD_IMAGE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_BAD_SAMPLES: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_WRONG_FORMAT: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_UNKNOWN_SENSOR: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_LATE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_TOO_OLD: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_CLOCK: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_DUPLICATE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_MISPLACED_STATION: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_STATION_LIMIT: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_REFERENCE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_ORPHAN: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_STATE_LIMIT: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_UNREADABLE: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_POISONED: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_TOO_SLOW: _ClassVar[DeadLetterReason]
    DEAD_LETTER_REASON_ID_READ_TWICE: _ClassVar[DeadLetterReason]

class Label(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_UNSPECIFIED: _ClassVar[Label]
    LABEL_OK: _ClassVar[Label]
    LABEL_NOK: _ClassVar[Label]
    LABEL_UNSURE: _ClassVar[Label]
    LABEL_WITHDRAWN: _ClassVar[Label]
PIXEL_FORMAT_UNSPECIFIED: PixelFormat
PIXEL_FORMAT_PNG: PixelFormat
PIXEL_FORMAT_JPEG: PixelFormat
PIXEL_FORMAT_MONO8: PixelFormat
PIXEL_FORMAT_MONO16: PixelFormat
PIXEL_FORMAT_BGR8: PixelFormat
PIXEL_FORMAT_RGB8: PixelFormat
PIXEL_FORMAT_BGRA8: PixelFormat
PIXEL_FORMAT_RGBA8: PixelFormat
PIXEL_FORMAT_BAYER_RG8: PixelFormat
PIXEL_FORMAT_BAYER_GR8: PixelFormat
PIXEL_FORMAT_BAYER_GB8: PixelFormat
PIXEL_FORMAT_BAYER_BG8: PixelFormat
PIXEL_FORMAT_BAYER_RG16: PixelFormat
PIXEL_FORMAT_BAYER_GR16: PixelFormat
PIXEL_FORMAT_BAYER_GB16: PixelFormat
PIXEL_FORMAT_BAYER_BG16: PixelFormat
PIXEL_FORMAT_MONO10P: PixelFormat
PIXEL_FORMAT_MONO12P: PixelFormat
PIXEL_FORMAT_MONO12_PACKED: PixelFormat
PIXEL_FORMAT_UYVY: PixelFormat
PIXEL_FORMAT_YUYV: PixelFormat
PIXEL_FORMAT_NV12: PixelFormat
PIXEL_FORMAT_I420: PixelFormat
PIXEL_FORMAT_TIFF: PixelFormat
PIXEL_FORMAT_BMP: PixelFormat
PIXEL_FORMAT_MONO10_PACKED: PixelFormat
SIGNAL_KIND_UNSPECIFIED: SignalKind
SIGNAL_KIND_AUDIO: SignalKind
SIGNAL_KIND_VIBRATION: SignalKind
SIGNAL_KIND_TRACE: SignalKind
SAMPLE_FORMAT_UNSPECIFIED: SampleFormat
SAMPLE_FORMAT_S16LE: SampleFormat
SAMPLE_FORMAT_F32LE: SampleFormat
PIECE_EVENT_KIND_UNSPECIFIED: PieceEventKind
PIECE_EVENT_KIND_ENTERED: PieceEventKind
PIECE_EVENT_KIND_LEFT: PieceEventKind
PIECE_EVENT_KIND_ABORTED: PieceEventKind
DEAD_LETTER_REASON_UNSPECIFIED: DeadLetterReason
DEAD_LETTER_REASON_UNKNOWN_TYPE: DeadLetterReason
DEAD_LETTER_REASON_MALFORMED: DeadLetterReason
DEAD_LETTER_REASON_INVALID_FIELD: DeadLetterReason
DEAD_LETTER_REASON_MISADDRESSED: DeadLetterReason
DEAD_LETTER_REASON_TOO_LARGE: DeadLetterReason
DEAD_LETTER_REASON_BAD_IMAGE: DeadLetterReason
DEAD_LETTER_REASON_BAD_SAMPLES: DeadLetterReason
DEAD_LETTER_REASON_WRONG_FORMAT: DeadLetterReason
DEAD_LETTER_REASON_UNKNOWN_SENSOR: DeadLetterReason
DEAD_LETTER_REASON_LATE: DeadLetterReason
DEAD_LETTER_REASON_TOO_OLD: DeadLetterReason
DEAD_LETTER_REASON_CLOCK: DeadLetterReason
DEAD_LETTER_REASON_DUPLICATE: DeadLetterReason
DEAD_LETTER_REASON_MISPLACED_STATION: DeadLetterReason
DEAD_LETTER_REASON_STATION_LIMIT: DeadLetterReason
DEAD_LETTER_REASON_REFERENCE: DeadLetterReason
DEAD_LETTER_REASON_ORPHAN: DeadLetterReason
DEAD_LETTER_REASON_STATE_LIMIT: DeadLetterReason
DEAD_LETTER_REASON_UNREADABLE: DeadLetterReason
DEAD_LETTER_REASON_POISONED: DeadLetterReason
DEAD_LETTER_REASON_TOO_SLOW: DeadLetterReason
DEAD_LETTER_REASON_ID_READ_TWICE: DeadLetterReason
LABEL_UNSPECIFIED: Label
LABEL_OK: Label
LABEL_NOK: Label
LABEL_UNSURE: Label
LABEL_WITHDRAWN: Label

class Inspection(_message.Message):
    __slots__ = ("line", "station", "piece_id", "pass_number")
    LINE_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    PIECE_ID_FIELD_NUMBER: _ClassVar[int]
    PASS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    line: str
    station: str
    piece_id: str
    pass_number: int
    def __init__(self, line: _Optional[str] = ..., station: _Optional[str] = ..., piece_id: _Optional[str] = ..., pass_number: _Optional[int] = ...) -> None: ...

class ImagePixels(_message.Message):
    __slots__ = ("format", "width_px", "height_px", "data")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    format: PixelFormat
    width_px: int
    height_px: int
    data: bytes
    def __init__(self, format: _Optional[_Union[PixelFormat, str]] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImageReference(_message.Message):
    __slots__ = ("uri", "sha256", "size_bytes", "format")
    URI_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    sha256: bytes
    size_bytes: int
    format: PixelFormat
    def __init__(self, uri: _Optional[str] = ..., sha256: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., format: _Optional[_Union[PixelFormat, str]] = ...) -> None: ...

class CameraFrame(_message.Message):
    __slots__ = ("inspection", "product", "camera", "sequence", "capture_ns", "lot", "pixels", "reference")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_NS_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    inspection: Inspection
    product: str
    camera: str
    sequence: int
    capture_ns: int
    lot: str
    pixels: ImagePixels
    reference: ImageReference
    def __init__(self, inspection: _Optional[_Union[Inspection, _Mapping]] = ..., product: _Optional[str] = ..., camera: _Optional[str] = ..., sequence: _Optional[int] = ..., capture_ns: _Optional[int] = ..., lot: _Optional[str] = ..., pixels: _Optional[_Union[ImagePixels, _Mapping]] = ..., reference: _Optional[_Union[ImageReference, _Mapping]] = ...) -> None: ...

class Samples(_message.Message):
    __slots__ = ("format", "sample_rate_hz", "num_channels", "data")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    NUM_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    format: SampleFormat
    sample_rate_hz: float
    num_channels: int
    data: bytes
    def __init__(self, format: _Optional[_Union[SampleFormat, str]] = ..., sample_rate_hz: _Optional[float] = ..., num_channels: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class SignalChunk(_message.Message):
    __slots__ = ("line", "station", "sensor", "kind", "stream_id", "first_sample", "start_ns", "samples")
    LINE_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    line: str
    station: str
    sensor: str
    kind: SignalKind
    stream_id: str
    first_sample: int
    start_ns: int
    samples: Samples
    def __init__(self, line: _Optional[str] = ..., station: _Optional[str] = ..., sensor: _Optional[str] = ..., kind: _Optional[_Union[SignalKind, str]] = ..., stream_id: _Optional[str] = ..., first_sample: _Optional[int] = ..., start_ns: _Optional[int] = ..., samples: _Optional[_Union[Samples, _Mapping]] = ...) -> None: ...

class ProcessTrace(_message.Message):
    __slots__ = ("inspection", "sensor", "kind", "start_ns", "samples")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    inspection: Inspection
    sensor: str
    kind: SignalKind
    start_ns: int
    samples: Samples
    def __init__(self, inspection: _Optional[_Union[Inspection, _Mapping]] = ..., sensor: _Optional[str] = ..., kind: _Optional[_Union[SignalKind, str]] = ..., start_ns: _Optional[int] = ..., samples: _Optional[_Union[Samples, _Mapping]] = ...) -> None: ...

class PieceEvent(_message.Message):
    __slots__ = ("inspection", "product", "lot", "kind", "event_ns")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_NS_FIELD_NUMBER: _ClassVar[int]
    inspection: Inspection
    product: str
    lot: str
    kind: PieceEventKind
    event_ns: int
    def __init__(self, inspection: _Optional[_Union[Inspection, _Mapping]] = ..., product: _Optional[str] = ..., lot: _Optional[str] = ..., kind: _Optional[_Union[PieceEventKind, str]] = ..., event_ns: _Optional[int] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("reason", "detail", "topic", "partition", "offset", "append_ns", "line", "station", "inspection", "raw", "raw_size_bytes", "type")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    APPEND_NS_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    RAW_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    reason: DeadLetterReason
    detail: str
    topic: str
    partition: int
    offset: int
    append_ns: int
    line: str
    station: str
    inspection: Inspection
    raw: bytes
    raw_size_bytes: int
    type: str
    def __init__(self, reason: _Optional[_Union[DeadLetterReason, str]] = ..., detail: _Optional[str] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., append_ns: _Optional[int] = ..., line: _Optional[str] = ..., station: _Optional[str] = ..., inspection: _Optional[_Union[Inspection, _Mapping]] = ..., raw: _Optional[bytes] = ..., raw_size_bytes: _Optional[int] = ..., type: _Optional[str] = ...) -> None: ...

class Feedback(_message.Message):
    __slots__ = ("inspection", "label", "defects", "author", "note", "given_ns", "id", "author_proof")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DEFECTS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    GIVEN_NS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_PROOF_FIELD_NUMBER: _ClassVar[int]
    inspection: Inspection
    label: Label
    defects: _containers.RepeatedScalarFieldContainer[str]
    author: str
    note: str
    given_ns: int
    id: str
    author_proof: str
    def __init__(self, inspection: _Optional[_Union[Inspection, _Mapping]] = ..., label: _Optional[_Union[Label, str]] = ..., defects: _Optional[_Iterable[str]] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., given_ns: _Optional[int] = ..., id: _Optional[str] = ..., author_proof: _Optional[str] = ...) -> None: ...
