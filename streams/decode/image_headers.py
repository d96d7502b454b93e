"""Types for a checked image file: its header, and the bytes that the decoder needs."""

from collections.abc import Callable
from dataclasses import dataclass

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.limits import RecordError


@dataclass(frozen=True, slots=True)
class Header:
    """The properties of an image that its file declares."""

    width_px: int
    height_px: int
    channels: int
    """Of the image, without alpha."""
    bytes_per_value: int
    has_alpha: bool = False
    """Whether the decoder adds a channel that must be opaque, and is dropped."""

    @property
    def decoded_channels(self) -> int:
        return 4 if self.has_alpha else self.channels


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file whose parts have been checked."""

    header: Header
    for_decoder: Callable[[], bytes | bytearray]
    """The same image as a file without metadata; needs up to its decoded size. Raises RecordError."""


def bad_image(detail: str) -> RecordError:
    """The image is truncated, damaged or not in the declared format."""
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_BAD_IMAGE, detail)
