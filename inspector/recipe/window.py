"""Counts the samples in a recipe's window, exactly as the join will cut it. Knows no stream."""

from inspector.recipe.model import Sensor
from streams.assembly import SensorSpec
from streams.clips import Rate


def window_samples(sensor: Sensor | SensorSpec) -> int:
    """Samples of a fully covered window; its ends are whole nanoseconds, and one of them is let pass as rounding."""
    length_ns = round(sensor.end_s * 1e9) - round(sensor.start_s * 1e9)
    return Rate(sensor.sample_rate_hz).slots(length_ns + 1)
