"""Reads durations as people write them."""

import re

_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds_of(text: str) -> float:
    """Such as `90m`, `8h`, `1h 30m`, `2d`. Raises ValueError."""
    rest = _PARTS.sub("", text).strip()
    parts = _PARTS.findall(text)
    if rest or not parts:
        raise ValueError(f"{text[:40]!r} is no duration; write 90m, 8h, 1h30m or 2d")
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
