"""Guesses the cause of a clock error from its size."""

HALF_HOUR_S = 1800.0
_ZONE_TOLERANCE_S = 60.0
_MAX_ZONE_S = 26 * 3600.0
_SCALES = ((37.0, "TAI in place of UTC (37 s)"), (18.0, "GPS time in place of UTC (18 s)"))
_LESS_S, _MORE_S = 0.3, 1.2
"""Transport delay increases the offset of a clock that is behind, and reduces that of one ahead, by up to this much."""
FIRST_NS = 946_684_800_000_000_000
"""2000-01-01: no record is older; smaller values are stamps in other units."""
_UNITS = ((10**9, "seconds"), (10**6, "milliseconds"), (10**3, "microseconds"))
_LAST_UNIT_NS = 4_102_444_800_000_000_000
"""2100-01-01: the upper limit for a stamp in another unit."""


def likely_cause(offset_s: float) -> str:
    """`offset_s` is positive for a clock that is behind, negative for one ahead."""
    size_s = abs(offset_s)
    halves = round(size_s / HALF_HOUR_S)
    if halves > 0 and size_s <= _MAX_ZONE_S and abs(size_s - halves * HALF_HOUR_S) <= _ZONE_TOLERANCE_S:
        return f"local time or a wrong time zone in place of UTC ({halves / 2:g} h)"
    for scale_s, cause in _SCALES:
        added_s = size_s - scale_s if offset_s > 0 else scale_s - size_s
        if -_LESS_S < added_s < _MORE_S:
            return cause
    return "a clock that is not set by a time server (NTP or PTP)"


def wrong_unit(stamp_ns: int) -> str | None:
    """The likely unit of a stamp before 2000: the one that puts it between 2000 and 2100."""
    for factor, unit in _UNITS:
        if FIRST_NS <= stamp_ns * factor < _LAST_UNIT_NS:
            return unit
    return None
