"""Turns a record that cannot be used into a record of the dead-letter topic."""

from google.protobuf.message import DecodeError

from protos.inspection.v1.records_pb2 import DeadLetter, DeadLetterReason, Inspection
from streams.decode.items import Entry, Origin, Rejected
from streams.observation import InspectionId
from streams.records import MAX_TYPE, TYPE_PREFIX, Output, Record, Topics

MAX_RAW_BYTES = 64 * 1024
_MAX_DETAIL = 2000
"""Characters; a detail may quote the record or the answer of an object store."""
DEAD_LETTER_TYPE = TYPE_PREFIX + "DeadLetter"
_WITHOUT_BYTES = {
    DeadLetterReason.DEAD_LETTER_REASON_LATE,
    DeadLetterReason.DEAD_LETTER_REASON_DUPLICATE,
    DeadLetterReason.DEAD_LETTER_REASON_ID_READ_TWICE,
    DeadLetterReason.DEAD_LETTER_REASON_POISONED,  # must not crash a reader of dead letters as well
}


def origin_of(record: Record) -> Origin:
    """The position of a record in the log."""
    return Origin(record.topic, record.partition, record.offset, record.append_ns)


def reject(
    origin: Origin,
    reason: int,
    detail: str,
    *,
    station: str,
    record: Record | None = None,
    entry: Entry | None = None,
    inspection: InspectionId | None = None,
) -> Rejected:
    """Rejects the record at `origin`. With `record`, its first bytes are included, except for LATE, DUPLICATE,
    ID_READ_TWICE and POISONED."""
    raw = record.value[:MAX_RAW_BYTES] if record is not None and reason not in _WITHOUT_BYTES else b""
    return Rejected(
        origin,
        reason,
        detail if len(detail) <= _MAX_DETAIL else detail[:_MAX_DETAIL] + "...",
        station,
        raw=raw,
        raw_size_bytes=0 if record is None else len(record.value),
        type="" if record is None else record.type[:MAX_TYPE],
        entry=entry,
        inspection=inspection,
    )


def dead_letter_output(topics: Topics, rejected: Rejected) -> Output:
    """The dead letter, for the same partition as its record."""
    origin = rejected.origin
    letter = DeadLetter(
        reason=DeadLetterReason.Name(rejected.reason),
        detail=rejected.detail,
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        append_ns=origin.append_ns,
        line=topics.line,
        station=rejected.station,
        inspection=None if rejected.inspection is None else inspection_message(rejected.inspection),
        raw=rejected.raw,
        raw_size_bytes=rejected.raw_size_bytes,
        type=rejected.type,
    )
    return Output(
        topics.of("dead-letters"),
        origin.partition,
        rejected.station.encode(),
        letter.SerializeToString(deterministic=True),
        DEAD_LETTER_TYPE,
    )


def dead_letter_from(record: Record) -> DeadLetter | None:
    """Parses a record that was read back; None if it is not a dead letter."""
    if record.type != DEAD_LETTER_TYPE:
        return None
    try:
        return DeadLetter.FromString(record.value)
    except DecodeError:
        return None


def inspection_message(inspection: InspectionId) -> Inspection:
    """The inspection as a protobuf message."""
    return Inspection(**inspection._asdict())
