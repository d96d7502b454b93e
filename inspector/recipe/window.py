"""Counts the samples in a recipe's window, exactly as the join cuts it."""

from inspector.recipe.recipe import Sensor
from streams.join.assembly import SensorSpec
from streams.join.whole import window_length


def window_samples(sensor: Sensor | SensorSpec) -> int:
    """Samples of a fully covered window."""
    return window_length(sensor if isinstance(sensor, SensorSpec) else sensor.spec)
