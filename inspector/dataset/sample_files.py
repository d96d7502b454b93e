"""The result of decoding a file of samples."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16] | NDArray[np.float32]


class SampleFileError(ValueError):
    """Why a file cannot be read, and what to do; the caller adds the file's name."""


class Decoded(NamedTuple):
    """Samples (num_samples, num_channels): int16 as they stand in the file, or float32 of full scale 1.0."""

    samples: Samples
    sample_rate_hz: float | None
    """None: the file does not say it."""
    rate_tolerance: float = 0.0
    """Share of the rate by which the file's may differ from the manifest's."""
