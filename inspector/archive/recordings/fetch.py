"""Fetches one referenced image again, by the same rules as the worker: prefixes, size, hash, time."""

import time
from contextlib import closing
from typing import Protocol

from inspector.archive.recordings.missing import InputError, Why
from streams.deadline import Deadline
from streams.decode.items import Frame
from streams.decode.limits import Limits
from streams.observation import Image
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver

_LOOK_S = 0.005


class ImageFetcher(Protocol):
    def fetch(self, frame: Frame) -> Image:
        """The image that the frame refers to. Raises InputError."""


class ReferencedImages:
    """Fetches with the settings of `[references]`."""

    def __init__(self, settings: ReferenceSettings, limits: Limits) -> None:
        self._settings, self._limits = settings, limits

    def fetch(self, frame: Frame) -> Image:
        """One image at a time; abandons a store that hangs."""
        deadline = Deadline.after(2 * self._settings.timeout_s)  # one for the transfer, one for decoding
        with closing(Resolver(self._settings, self._limits)) as resolver:
            resolver.submit(frame)
            while not deadline.is_over:
                for fetched in resolver.finished():
                    if fetched.image is None:
                        raise InputError(Why.REFERENCE, fetched.detail)
                    return fetched.image
                time.sleep(_LOOK_S)
        raise InputError(Why.REFERENCE, f"not fetched and decoded within {2 * self._settings.timeout_s:g} s")
