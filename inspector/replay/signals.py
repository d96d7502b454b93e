"""Turns clips and their places in time into the continuous chunks of one sensor.

A faint hiss that depends on the seed fills the time between the clips; the clips themselves are kept bit for bit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inspector.dataset.recordings import Recording, full_scale
from inspector.dataset.sample_files import Samples
from inspector.recipe.window import window_samples
from inspector.replay.plan import PlanError
from streams.join.assembly import SensorSpec


class Placed(NamedTuple):
    """A piece whose window begins at this sample of the stream."""

    first_sample: int
    number: int


class Stretch(NamedTuple):
    """Consecutive samples of the stream."""

    first_sample: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What one sensor of one station will send."""

    sensor: SensorSpec
    places: Sequence[Placed]
    """Windows in order; none overlaps the next."""
    silent: Sequence[tuple[int, int]]
    """Spans of samples that are never sent."""
    num_samples: int
    chunk_samples: int
    seed: int


def stretches(stream: StreamPlan, recording: Callable[[int], Recording | None]) -> Iterator[Stretch]:
    """Chunks of the stream in order; the part of a window that its recording does not cover is a gap."""
    window = window_samples(stream.sensor)
    upcoming, begun = 0, 0
    for first in range(0, stream.num_samples, stream.chunk_samples):
        last = min(first + stream.chunk_samples, stream.num_samples)
        while begun < len(stream.places) and stream.places[begun].first_sample + window <= first:
            begun += 1
        upcoming = max(upcoming, begun)
        while upcoming < len(stream.places) and stream.places[upcoming].first_sample < last:
            upcoming += 1
        clips = [(place, recording(place.number)) for place in stream.places[begun:upcoming]]
        samples = _mixed(stream, first, last, clips)
        gaps = [(place.first_sample + _length(clip, window), place.first_sample + window) for place, clip in clips]
        for start, end in _sent(first, last, [*stream.silent, *gaps]):
            yield Stretch(start, samples[start - first : end - first])


def _length(clip: Recording | None, window: int) -> int:
    return 0 if clip is None else min(len(clip.samples), window)


def _mixed(stream: StreamPlan, first: int, last: int, clips: Sequence[tuple[Placed, Recording | None]]) -> Samples:
    rng = np.random.default_rng([stream.seed, first])
    samples: Samples = rng.integers(-2, 3, (last - first, stream.sensor.num_channels), dtype=np.int16)
    for place, clip in clips:
        if clip is None:
            continue
        framed = fit(clip, stream.sensor)
        if framed.dtype == np.float32 and samples.dtype == np.int16:
            samples = full_scale(samples)
        elif framed.dtype == np.int16 and samples.dtype == np.float32:
            framed = full_scale(framed)
        begin, end = max(first, place.first_sample), min(last, place.first_sample + len(framed))
        if begin < end:
            samples[begin - first : end - first] = framed[begin - place.first_sample : end - place.first_sample]
    return samples


def fit(clip: Recording, sensor: SensorSpec) -> Samples:
    """The clip, cut to the recipe's window. Raises PlanError."""
    rate_hz, channels = clip.sample_rate_hz, clip.samples.shape[1]
    if (rate_hz, channels) != (sensor.sample_rate_hz, sensor.num_channels):
        raise PlanError(
            f"sensor {sensor.name!r}: the recording has {channels} channel(s) at {rate_hz:g} Hz, the recipe "
            f"{sensor.num_channels} at {sensor.sample_rate_hz:g} Hz; correct the recipe or the data set"
        )
    return clip.samples[: window_samples(sensor)]


def _sent(first: int, last: int, silent: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """[first, last) without the silent spans."""
    for start, end in sorted(silent):
        if end <= first or start >= last:
            continue
        if start > first:
            yield first, start
        first = max(first, end)
        if first >= last:
            return
    if first < last:
        yield first, last
