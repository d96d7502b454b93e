"""Turns the samples of a record into an array of float32. Checks the declared size first."""

import math

import numpy as np
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import DeadLetterReason, SampleFormat, Samples
from streams.decode.limits import Limits, RecordError, invalid, too_large

_BYTES = {SampleFormat.SAMPLE_FORMAT_S16LE: 2, SampleFormat.SAMPLE_FORMAT_F32LE: 4}
FULL_SCALE = np.float32(32768)
"""Full scale of int16 samples."""


def decode_samples(samples: Samples, limits: Limits) -> NDArray[np.float32]:
    """(num_samples, num_channels); integers are scaled so that full scale is 1.0. Raises RecordError."""
    width = _BYTES.get(samples.format)
    if width is None:
        raise invalid(f"sample format is {samples.format}, expected S16LE or F32LE: set `format`")
    _check_form(samples, limits)
    if not samples.data or len(samples.data) % (width * samples.num_channels):
        raise _bad(
            f"{len(samples.data)} bytes of samples, expected a multiple of {width * samples.num_channels} above 0 for "
            f"{samples.num_channels} channels of {width} bytes: send whole instants"
        )
    if (count := len(samples.data) // width) > limits.max_samples:
        raise too_large(f"{count} samples in a record, expected at most {limits.max_samples}: send shorter records")
    if samples.format == SampleFormat.SAMPLE_FORMAT_S16LE:
        values = from_int16(np.frombuffer(samples.data, "<i2"))
    else:
        values = np.frombuffer(samples.data, "<f4")
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise _bad(f"sample {index} is {values[index]}, expected finite values: repair the sensor's driver")
    return values.reshape(-1, samples.num_channels)


def from_int16(steps: NDArray[np.int16]) -> NDArray[np.float32]:
    """The samples at full scale 1.0, in the same shape."""
    return steps.astype(np.float32) / FULL_SCALE


def samples_size(samples: Samples, limits: Limits) -> int:
    """Upper limit of the bytes that `decode_samples` returns; 0 if it will reject the size."""
    width = _BYTES.get(samples.format)
    count = len(samples.data) // width if width else 0
    return count * np.dtype(np.float32).itemsize if count <= limits.max_samples else 0


def _check_form(samples: Samples, limits: Limits) -> None:
    rate_hz = samples.sample_rate_hz
    if not math.isfinite(rate_hz) or not limits.min_sample_rate_hz <= rate_hz <= limits.max_sample_rate_hz:
        raise invalid(
            f"sample rate is {rate_hz} Hz, expected {limits.min_sample_rate_hz} to {limits.max_sample_rate_hz}: "
            "set `sample_rate_hz`"
        )
    if not 1 <= samples.num_channels <= limits.max_signal_channels:
        raise invalid(
            f"{samples.num_channels} channels, expected 1 to {limits.max_signal_channels}: set `num_channels`"
        )


def _bad(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_BAD_SAMPLES, detail)
