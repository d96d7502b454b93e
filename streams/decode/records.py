"""Turns a record into a frame, chunk, trace or event, or rejects it with a reason.

Declared sizes are checked before memory is allocated. A record above `max_record_bytes` is not parsed, so it opens no
inspection.
"""

from collections.abc import Callable

from google.protobuf.message import DecodeError

from protos.inspection.v1.records_pb2 import (
    CameraFrame,
    DeadLetterReason,
    Feedback,
    ImageReference,
    Inspection,
    PieceEvent,
    PieceEventKind,
    ProcessTrace,
    SignalChunk,
)
from streams.decode.dead_letters import origin_of, reject
from streams.decode.images import FILE_FORMATS, decode_pixels, image_size
from streams.decode.items import Chunk, Entry, Event, EventKind, Frame, Item, Origin, Reference, Rejected, Trace
from streams.decode.kinds import KINDS
from streams.decode.limits import (
    Limits,
    RecordError,
    check_name,
    check_stamp,
    check_text,
    invalid,
    is_name,
    is_recent,
    is_text,
    too_large,
)
from streams.decode.out_of_memory import out_of_memory
from streams.decode.samples import decode_samples, samples_size
from streams.observation import InspectionId, ModalityKind
from streams.records import TYPE_PREFIX, Record

Message = CameraFrame | SignalChunk | ProcessTrace | PieceEvent

_MESSAGES: dict[str, tuple[type[Message], str]] = {
    TYPE_PREFIX + "CameraFrame": (CameraFrame, "frames"),
    TYPE_PREFIX + "SignalChunk": (SignalChunk, "signals"),
    TYPE_PREFIX + "ProcessTrace": (ProcessTrace, "signals"),
    TYPE_PREFIX + "PieceEvent": (PieceEvent, "pieces"),
}
"""Message and kind of topic by header."""
_EVENTS: dict[int, EventKind] = {
    PieceEventKind.PIECE_EVENT_KIND_ENTERED: EventKind.ENTERED,
    PieceEventKind.PIECE_EVENT_KIND_LEFT: EventKind.LEFT,
    PieceEventKind.PIECE_EVENT_KIND_ABORTED: EventKind.ABORTED,
}
_SHA256_BYTES = 32
_MAX_URI_BYTES = 2048
_MAX_FIRST_SAMPLE = 2**62


def decode(record: Record, limits: Limits, line: str, *, with_pixels: bool = True) -> Item:
    """Decodes a record of this line's input topics; never raises for its content.

    Without `with_pixels`, a frame has no image yet: it is decoded later.
    """
    origin = origin_of(record)
    if record.unreadable:
        reason, detail = DeadLetterReason.DEAD_LETTER_REASON_UNREADABLE, record.unreadable
        return reject(origin, reason, f"the log's client cannot read it: {detail}", station="", record=record)
    try:
        message = _parse(record, limits)
    except RecordError as error:
        station = record.key.decode(errors="replace")
        return reject(origin, error.reason, error.detail, station=station if is_name(station) else "", record=record)
    inspection = _readable(message)
    entry = None
    try:
        _check_address(message, record, line)
        entry = _entry(message, inspection, record)
        _check_stamp(record)
        return _in_memory(lambda: _item(message, origin, limits, with_pixels=with_pixels), record)
    except RecordError as error:
        return reject(
            origin,
            error.reason,
            error.detail,
            station=_station(message, record),
            record=record,
            entry=entry,
            inspection=inspection,
        )


def give_up(record: Record, limits: Limits, line: str, reason: int, detail: str) -> Rejected:
    """Rejects a record without decoding its content; if it names an inspection, that is opened anyway."""
    origin = origin_of(record)
    try:
        message = _parse(record, limits)
        _check_address(message, record, line)
    except RecordError:
        return reject(origin, reason, detail, station="", record=record)
    inspection = _readable(message)
    return reject(
        origin,
        reason,
        detail,
        station=_station(message, record),
        record=record,
        entry=_entry(message, inspection, record),
        inspection=inspection,
    )


def decoded_size(record: Record, limits: Limits) -> int:
    """Upper limit of the pixel or sample bytes of the decoded item; 0 for a record that is rejected by its header.

    Only parses the record (0.2 ms per MB). While `decode` runs, it takes up to 3.3 times these bytes (a PNG: its rows
    unpacked, and the image twice inside OpenCV).
    """
    try:
        message = _parse(record, limits)
    except RecordError:
        return 0
    match message:
        case CameraFrame():
            return image_size(message.pixels, limits)
        case SignalChunk() | ProcessTrace():
            return samples_size(message.samples, limits)
        case PieceEvent():
            return 0


def _parse(record: Record, limits: Limits) -> Message:
    if record.type not in _MESSAGES:
        raise RecordError(
            DeadLetterReason.DEAD_LETTER_REASON_UNKNOWN_TYPE,
            f"the header inspection-type is {record.type[:80]!r}, expected one of {', '.join(_MESSAGES)}: set it",
        )
    if len(record.value) > limits.max_record_bytes:
        raise too_large(
            f"the record has {len(record.value)} bytes, expected at most {limits.max_record_bytes}: "
            "send a reference, shorter chunks, or raise max_record_bytes"
        )
    message_type, kind = _MESSAGES[record.type]
    if not record.topic.endswith(f".{kind}"):
        raise _misaddressed(
            f"a {message_type.__name__} on topic {record.topic}, expected the topic {kind}: send it there"
        )
    try:
        return message_type.FromString(record.value)
    except DecodeError as exc:
        raise RecordError(
            DeadLetterReason.DEAD_LETTER_REASON_MALFORMED,
            f"{len(record.value)} bytes do not parse as {record.type}: check the producer's serialiser",
        ) from exc


def _readable(message: Message) -> InspectionId | None:
    """The inspection that a record names, if every part of its id is usable."""
    if isinstance(message, SignalChunk):
        return None
    named = message.inspection
    if is_name(named.line) and is_name(named.station) and named.piece_id and is_text(named.piece_id):
        return _id(named)
    return None


def _id(named: Inspection) -> InspectionId:
    return InspectionId(named.line, named.station, named.piece_id, named.pass_number)


def station_of(message: Message | Feedback) -> str:
    """The station that a message names; it is the key of its record."""
    return message.station if isinstance(message, SignalChunk) else message.inspection.station


def _station(message: Message, record: Record) -> str:
    candidates = (station_of(message), record.key.decode(errors="replace"))
    return next((name for name in candidates if is_name(name)), "")


def _check_address(message: Message, record: Record, line: str) -> None:
    owner: SignalChunk | Inspection = message if isinstance(message, SignalChunk) else message.inspection
    check_name("line", owner.line)
    check_name("station", owner.station)
    if owner.line != line:
        raise _misaddressed(f"the record says line {owner.line} on topic {record.topic}: send it to its line's topic")
    if owner.station.encode() != record.key:
        raise _misaddressed(f"the key is {record.key[:60]!r}, expected the station {owner.station}: set the key to it")


def _check_stamp(record: Record) -> None:
    if not record.is_stamped_by_log:
        raise RecordError(
            DeadLetterReason.DEAD_LETTER_REASON_CLOCK,
            f"topic {record.topic} stamps records by their producers' clocks, expected message.timestamp.type = "
            "LogAppendTime: 'inspector topics create' sets it",
        )


def _misaddressed(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_MISADDRESSED, detail)


def _entry(message: Message, inspection: InspectionId | None, record: Record) -> Entry | None:
    """The data to open the inspection with, even if the rest of the record is unusable."""
    match message:
        case CameraFrame():
            event_ns, camera = message.capture_ns, message.camera if is_name(message.camera) else None
        case PieceEvent():
            event_ns, camera = message.event_ns, None
        case _:
            return None
    if inspection is None:
        return None
    product, lot = (text if is_text(text) else "" for text in (message.product, message.lot))
    return Entry(inspection, product, lot, event_ns if is_recent(event_ns) else record.append_ns, camera)


def _in_memory(make: Callable[[], Item], record: Record) -> Item:
    """Raises RecordError, also for a lack of memory: samples take twice the size of their record."""
    try:
        return make()
    except MemoryError as exc:
        raise out_of_memory(2 * len(record.value)) from exc


def _item(message: Message, origin: Origin, limits: Limits, *, with_pixels: bool) -> Item:
    match message:
        case CameraFrame():
            return _frame(message, origin, limits, with_pixels=with_pixels)
        case SignalChunk():
            return _chunk(message, origin, limits)
        case ProcessTrace():
            return _trace(message, origin, limits)
        case PieceEvent():
            return _event(message, origin)


def _frame(message: CameraFrame, origin: Origin, limits: Limits, *, with_pixels: bool) -> Frame:
    check_text("piece_id", message.inspection.piece_id)
    if message.WhichOneof("content") is None:
        raise invalid("the frame has neither pixels nor a reference, expected one: fill in `content`")
    product, lot = check_text("product", message.product), check_text("lot", message.lot, required=False)
    camera, capture_ns = check_name("camera", message.camera), check_stamp("capture_ns", message.capture_ns)
    pixels = message.HasField("pixels")
    return Frame(
        origin,
        _id(message.inspection),
        product,
        lot,
        camera,
        message.sequence,
        capture_ns,
        image=decode_pixels(message.pixels, limits) if pixels and with_pixels else None,
        reference=None if pixels else _reference(message.reference, limits),
    )


def _reference(reference: ImageReference, limits: Limits) -> Reference:
    uri = reference.uri
    if not uri or len(uri.encode()) > _MAX_URI_BYTES or not uri.isprintable():
        raise invalid(f"the reference's uri is {uri[:60]!r}, expected 1 to {_MAX_URI_BYTES} printable bytes: set it")
    if len(reference.sha256) != _SHA256_BYTES:
        raise invalid(f"the reference's sha256 has {len(reference.sha256)} bytes, expected {_SHA256_BYTES}: set it")
    if reference.format not in FILE_FORMATS:
        raise invalid(f"the reference's format is {reference.format}, expected PNG, JPEG, TIFF or BMP: set it")
    if reference.size_bytes == 0:
        raise invalid("the reference's size_bytes is 0, expected the size of the file: set it")
    if reference.size_bytes > limits.max_reference_bytes:
        raise too_large(
            f"the referenced file has {reference.size_bytes} bytes, expected at most {limits.max_reference_bytes}: "
            "crop it or raise the limit"
        )
    return Reference(uri, reference.sha256, reference.size_bytes, reference.format)


def _chunk(message: SignalChunk, origin: Origin, limits: Limits) -> Chunk:
    sensor, kind = check_name("sensor", message.sensor), _kind(message.kind)
    stream_id, start_ns = (
        check_text("stream_id", message.stream_id, required=False),
        check_stamp("start_ns", message.start_ns),
    )
    if message.first_sample > _MAX_FIRST_SAMPLE:
        raise invalid(f"first_sample is {message.first_sample}, expected at most {_MAX_FIRST_SAMPLE}: count from 0")
    samples = decode_samples(message.samples, limits)
    rate_hz = message.samples.sample_rate_hz
    _check_end(start_ns, len(samples), rate_hz)
    return Chunk(
        origin,
        message.line,
        message.station,
        sensor,
        kind,
        stream_id,
        message.first_sample,
        start_ns,
        rate_hz,
        samples,
    )


def _trace(message: ProcessTrace, origin: Origin, limits: Limits) -> Trace:
    check_text("piece_id", message.inspection.piece_id)
    sensor, kind = check_name("sensor", message.sensor), _kind(message.kind)
    start_ns = check_stamp("start_ns", message.start_ns)
    samples = decode_samples(message.samples, limits)
    rate_hz = message.samples.sample_rate_hz
    _check_end(start_ns, len(samples), rate_hz)
    return Trace(origin, _id(message.inspection), sensor, kind, start_ns, rate_hz, samples)


def _check_end(start_ns: int, num_samples: int, rate_hz: float) -> None:
    check_stamp("the time of the last sample", start_ns + int(num_samples / rate_hz * 1e9))


def _kind(value: int) -> ModalityKind:
    if value not in KINDS:
        expected = ", ".join(kind.upper() for kind in KINDS.values())
        raise invalid(f"signal kind is {value}, expected one of {expected}: set `kind`")
    return KINDS[value]


def _event(message: PieceEvent, origin: Origin) -> Event:
    check_text("piece_id", message.inspection.piece_id)
    product, lot = check_text("product", message.product), check_text("lot", message.lot, required=False)
    if message.kind not in _EVENTS:
        raise invalid(f"event kind is {message.kind}, expected ENTERED, LEFT or ABORTED: set `kind`")
    event_ns = check_stamp("event_ns", message.event_ns)
    return Event(origin, _id(message.inspection), product, lot, _EVENTS[message.kind], event_ns)
