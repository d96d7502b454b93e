"""Batches of prepared recordings that large pictures cannot make too large for the memory."""

import math

from jaxtyping import Float
from torch import Tensor

BATCH_BYTES = 2**27
"""Of pictures in one run: 64 of 320 px in colour have 79 MB. A network's maps take some times as much."""
MAX_PREPARED_BYTES = 2**33
"""Of all pictures of one expert, prepared."""


def batch_rows(inputs: Float[Tensor, "R ..."], most: int) -> int:
    """Recordings per run, at most `most`; only pictures are large."""
    if inputs.dim() != 4 or not len(inputs):
        return most
    return max(1, min(most, BATCH_BYTES // (inputs[0].numel() * inputs.element_size())))


def num_parts(inputs: Float[Tensor, "R ..."], num_rows: int, wanted: int) -> int:
    """Into how many parts a batch of so many of these recordings is split: at least `wanted`, none of them empty."""
    return min(max(wanted, math.ceil(num_rows / batch_rows(inputs, max(num_rows, 1)))), num_rows)
