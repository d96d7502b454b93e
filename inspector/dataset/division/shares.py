"""Shares of the splits, as in 60/20/20."""

import math
from collections.abc import Mapping

from inspector.dataset.check.labelled import SPLITS
from inspector.dataset.manifest import Split

Shares = Mapping[Split, float]
"""Of each split; they add up to 1."""
DEFAULT = "60/20/20"


class SharesError(ValueError):
    """Shares that cannot be used; the message says what is expected."""


def parse_shares(text: str) -> Shares:
    """Raises SharesError."""
    try:
        values = [float(part) for part in text.split("/")]
    except ValueError:
        values = []
    if len(values) != len(SPLITS) or not all(math.isfinite(value) and value > 0 for value in values):
        raise SharesError(
            f"shares are {text!r}, expected three numbers above 0 for train, calibration and test, such as {DEFAULT}"
        )
    return {split: value / sum(values) for split, value in zip(SPLITS, values, strict=True)}
