"""Names what an image file is to its decoder: its header, and only those of its bytes that the decoder needs."""

from collections.abc import Callable
from dataclasses import dataclass

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.limits import Finding


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of its image."""

    width_px: int
    height_px: int
    channels: int
    bytes_per_value: int


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file whose parts have been checked."""

    header: Header
    for_decoder: Callable[[], bytes | bytearray]
    """The same image as a file without metadata; takes up to its decoded size. Raises Finding."""


def bad_image(detail: str) -> Finding:
    """The image is truncated, damaged or not of the declared form."""
    return Finding(DeadLetterReason.DEAD_LETTER_REASON_BAD_IMAGE, detail)
