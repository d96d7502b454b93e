"""Recordings that a verdict names, or should name, and that cannot be read as they were judged."""

from dataclasses import dataclass
from enum import Enum


class Why(Enum):
    """Why a recording cannot be read; the values are labels of metrics and stand in the archive."""

    NOT_NAMED = "not_named"
    """The verdict does not name its records: it is of an older version, or the clip is of too many records."""
    GONE = "gone"
    """The log no longer holds a record: retention was faster."""
    OTHER_RECORD = "other_record"
    """The log holds another record there: it was replaced, or its topics were created again."""
    UNREADABLE = "unreadable"
    """A record can no longer be decoded."""
    REFERENCE = "reference"
    """The referenced image cannot be fetched any more, or is another one."""
    TOO_LARGE = "too_large"
    """The piece's records or its decoded recordings exceed the limits of reading."""
    NOT_KEPT = "not_kept"
    """The recipe does not keep this piece, or it was not looked at yet."""
    EXPIRED = "expired"
    """The recording was kept and is removed by age or size."""


@dataclass(frozen=True, slots=True)
class MissingInput:
    """One camera's image or one sensor's clip."""

    source: str
    """Camera or sensor."""
    sequence: int
    """Position among the camera's judged images; 0 for a clip."""
    why: Why
    detail: str = ""
    kind: str = ""
    """Modality, where it is known."""


class InputError(Exception):
    """Raised inside this package for one recording; becomes a `MissingInput`."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why, self.detail = why, detail
