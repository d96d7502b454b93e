"""Turns record batches of Kafka into records; damaged records become `Unreadable`.

kafka-python raises for the first record that it cannot decode and never returns the records after it, and it unpacks
a batch without a limit of size.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from kafka import errors as kafka_errors
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint

MAX_UNREADABLE_PER_BATCH = 10_000
"""A damaged batch yields one `Unreadable` per record; one with more records than this yields a single one.
A few kilobytes may claim 2^31 records."""
MAX_HEADERS = 1000
"""Of one record. Reading 4 million empty headers out of 8 MB takes 259 MB and 2.3 s."""
_SAFE_RECORD_BYTES = 2 * MAX_HEADERS
"""A record of this size cannot exceed `MAX_HEADERS`: each header takes two bytes."""
MAX_GZIP_MEMBERS = 16
"""Producers write one member per batch."""
_CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_GZIP = 1
_OFFSET = struct.Struct(">q")
_WHOLE_GZIP = 31
"""zlib's `wbits` for a gzip member with its header."""
DAMAGE = (kafka_errors.CorruptRecordError, ValueError, IndexError, struct.error)
"""Raised by kafka-python for bytes that are not a record."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record, by its offset, that cannot be decoded, and why."""

    offset: int
    detail: str
    raw: bytes = b""
    """Its bytes in the batch, where its borders are known."""


class _UnpackError(Exception):
    """The batch cannot be unpacked; the message says why and what to do."""


def next_offset(records: MemoryRecords) -> int | None:
    """The first offset of the next batch; None where the answer holds no further complete one."""
    ahead = records._next_slice  # noqa: SLF001 - kafka-python offers no look-ahead
    return None if ahead is None or len(ahead) < _OFFSET.size else int(_OFFSET.unpack_from(ahead)[0])


def damaged(first: int, next_batch: int | None) -> Iterator[Unreadable]:
    """The records of a batch with a wrong checksum, up to the next batch, because its own counts may be wrong as well.

    Without a next batch, one record: the next answer begins one offset further.
    """
    detail = "the checksum of its batch does not match: check the disks of the brokers"
    yield from refused(first, first if next_batch is None else next_batch - 1, detail)


def records_of(batch: DefaultRecordBatch, limit_bytes: int) -> Iterator[DefaultRecord | Unreadable]:
    """The records of a batch of format 2, in order, unpacked to at most `limit_bytes`; never raises for damaged
    bytes."""
    try:
        _unpack(batch, limit_bytes)
    except _UnpackError as exc:
        yield from refused(batch.base_offset, batch.last_offset, str(exc))
    else:
        yield from _records(batch)


def refused(first: int, last: int, detail: str) -> Iterator[Unreadable]:
    """All records from `first` to `last` as unreadable, for one reason."""
    if last - first >= MAX_UNREADABLE_PER_BATCH:
        yield Unreadable(last, f"this and all records from offset {first} on ({last - first + 1} in all): {detail}")
        return
    for offset in range(first, last + 1):
        yield Unreadable(offset, detail)


def _records(batch: DefaultRecordBatch) -> Iterator[DefaultRecord | Unreadable]:
    """Decodes record by record; skips a damaged one by its length."""
    expected = batch.base_offset
    for _ in range(batch.records_count):
        start = batch._pos  # noqa: SLF001 - kafka-python's iterator ends at the first error
        try:
            _check_headers(batch._buffer, start)  # noqa: SLF001
            record = batch._read_msg()  # noqa: SLF001
            if not expected <= record.offset <= batch.last_offset:
                raise ValueError(f"its offset is {record.offset}, expected {expected} to {batch.last_offset}")
        except DAMAGE as exc:
            end = _end(batch._buffer, start)  # noqa: SLF001
            if end is None or expected > batch.last_offset:
                yield from refused(expected, batch.last_offset, f"its batch is damaged ({exc}): check its producer")
                return
            raw = bytes(batch._buffer[start:end])  # noqa: SLF001
            yield Unreadable(expected, f"the record cannot be decoded ({exc}): check its producer", raw)
            batch._pos = end  # noqa: SLF001
            expected += 1
        else:
            yield record
            expected = record.offset + 1


def _check_headers(buffer: bytearray, start: int) -> None:
    """Checks their number before they are parsed. Raises ValueError, IndexError."""
    length, position = decode_varint(buffer, start)
    if length <= _SAFE_RECORD_BYTES:
        return
    position += 1  # attributes
    for _ in ("timestamp", "offset"):
        _, position = decode_varint(buffer, position)
    for _ in ("key", "value"):
        size, position = decode_varint(buffer, position)
        position += max(0, size)
    count, _ = decode_varint(buffer, position)
    if count > MAX_HEADERS:
        raise ValueError(f"it has {count} headers, expected at most {MAX_HEADERS}")


def _end(buffer: bytearray, start: int) -> int | None:
    """End of the record at `start`, by its length; None where the length is damaged."""
    try:
        length, begin = decode_varint(buffer, start)
    except (ValueError, IndexError):
        return None
    end: int = begin + length
    return end if start < end <= len(buffer) else None


def _unpack(batch: DefaultRecordBatch, limit_bytes: int) -> None:
    """Unpacks a batch in place. Raises _UnpackError."""
    if batch.compression_type == 0:
        return
    codec = _CODECS.get(batch.compression_type, f"codec {batch.compression_type}")
    remedy = (
        "run 'inspector topics create', so that the broker unpacks batches, or switch off compression in the producer"
    )
    if batch.compression_type != _GZIP:
        raise _UnpackError(f"its batch is compressed with {codec}, which only the broker can unpack: {remedy}")
    try:
        unpacked = gunzip(memoryview(batch._buffer)[batch._pos :], limit_bytes)  # noqa: SLF001
    except (zlib.error, ValueError) as exc:
        raise _UnpackError(f"its batch cannot be unpacked ({codec}: {exc}): {remedy}") from exc
    batch._buffer, batch._pos, batch._decompressed = bytearray(unpacked), 0, True  # noqa: SLF001


def gunzip(packed: bytes | memoryview, limit_bytes: int) -> bytes:
    """Unpacks gzip without holding much more than `limit_bytes`. Raises ValueError, zlib.error."""
    parts: list[bytes] = []
    rest: bytes | memoryview = packed
    for _ in range(MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(_WHOLE_GZIP)
        parts.append(member.decompress(rest, limit_bytes + 1 - sum(map(len, parts))))
        if sum(map(len, parts)) > limit_bytes:
            raise ValueError(f"more than {limit_bytes} bytes, send smaller batches")
        if not member.eof:
            raise ValueError("it is cut short")
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
    raise ValueError(f"more than {MAX_GZIP_MEMBERS} parts")
