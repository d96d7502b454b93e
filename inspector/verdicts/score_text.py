"""Writes a score with the digits that matter to people."""

import math

NEARLY_ONE = 0.995
"""Two places would round larger numbers to 1."""
MAX_PLACES = 7


def score_text(value: float) -> str:
    """Two digits that matter, also next to 1: 0.34, 0.0021, 0.9998."""
    if NEARLY_ONE < value < 1:
        return f"{value:.{min(-math.floor(math.log10(1 - value)), MAX_PLACES)}f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
