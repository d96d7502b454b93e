"""Turns the values of several seeds into one cell of a table: mean and spread."""

from collections.abc import Sequence
from statistics import fmean, stdev


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation of the seeds as a sample (n - 1); of one value, that alone."""
    return f"{fmean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
