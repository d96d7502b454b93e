"""Why a picture cannot be framed: it is not believed, and its piece does not pass."""

from typing import NamedTuple

from streams.observation import MissingReason


class Refusal(NamedTuple):
    absence: MissingReason
    detail: str
    """What was measured, what was expected, and the likely cause, in one sentence."""
