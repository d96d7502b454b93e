"""Limits for the content of records, and checks of single fields."""

import re
from dataclasses import dataclass
from functools import lru_cache

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.clock_causes import FIRST_NS, wrong_unit
from streams.decode.opencv_limits import MAX_PIXELS, MAX_SIDE_PX
from streams.records import MAX_RECORD_BYTES

_MAX_NAME = 48
_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{_MAX_NAME}}}")
_MAX_TEXT_BYTES = 128
LAST_NS = 9_214_646_400_000_000_000
"""2262-01-01: adding a window to a later time overflows 64 bits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that are checked before memory is allocated; one set per service."""

    max_record_bytes: int = MAX_RECORD_BYTES
    max_side_px: int = MAX_SIDE_PX
    max_pixels: int = MAX_PIXELS
    max_image_bytes: int = 128 * 2**20
    """Decoded size: pixels times channels times bytes; a decompression bomb stays below the service's memory
    reserve."""
    max_reference_bytes: int = 256 * 2**20
    max_signal_channels: int = 64
    max_samples: int = 4_000_000
    """Samples of one record, all channels together."""
    min_sample_rate_hz: float = 0.001
    max_sample_rate_hz: float = 10_000_000.0


class RecordError(Exception):
    """Why a record cannot be used: a `DeadLetterReason` value and the sentence for its dead letter."""

    def __init__(self, reason: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def invalid(detail: str) -> RecordError:
    """A required field is empty or out of its range."""
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_INVALID_FIELD, detail)


def too_large(detail: str) -> RecordError:
    """The record, the image or the recording is larger than allowed."""
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_TOO_LARGE, detail)


def is_name(value: str) -> bool:
    """Whether a line, station, camera or sensor may be called this."""
    return len(value) <= _MAX_NAME and _is_name(value)


@lru_cache(maxsize=4096)
def _is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None


def is_text(value: str) -> bool:
    """Whether this is allowed as the id of a piece, product, lot or stream; empty is allowed."""
    return len(value.encode()) <= _MAX_TEXT_BYTES and value.isprintable()


def is_time(value_ns: int) -> bool:
    """Whether this is an event time between 1970 and 2262."""
    return 0 < value_ns < LAST_NS


def is_recent(value_ns: int) -> bool:
    """Whether this is plausible as the time of a record: between 2000 and 2262."""
    return FIRST_NS <= value_ns < LAST_NS


def check_name(field: str, value: str) -> str:
    """Raises RecordError."""
    if not is_name(value):
        raise invalid(f"{field} is {value[:60]!r}, expected 1 to 48 of A-Z a-z 0-9 _ . -: rename it at the producer")
    return value


def check_text(field: str, value: str, *, required: bool = True) -> str:
    """Raises RecordError."""
    if not is_text(value) or (required and not value):
        raise invalid(
            f"{field} is {value[:60]!r} ({len(value.encode())} bytes), expected {'1' if required else '0'} to "
            f"{_MAX_TEXT_BYTES} printable bytes: fill it in at the producer"
        )
    return value


def check_time(field: str, value_ns: int) -> int:
    """Raises RecordError."""
    if not is_time(value_ns):
        raise invalid(
            f"{field} is {value_ns}, expected nanoseconds since 1970 and before 2262: set the producer's clock"
        )
    return value_ns


def check_stamp(field: str, value_ns: int) -> int:
    """Raises RecordError, also for years before 2000: these come from clocks that were never set and from stamps in
    milliseconds."""
    if not is_recent(value_ns):
        unit = wrong_unit(value_ns)
        likely = f"it looks like {unit}: send nanoseconds" if unit else "set the producer's clock"
        raise invalid(
            f"{field} is {value_ns}, expected nanoseconds since 1970, between the years 2000 and 2262: {likely}"
        )
    return value_ns
