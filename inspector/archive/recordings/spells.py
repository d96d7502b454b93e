"""Notices when recordings reach their limit of bytes, so that the oldest go before their days are over."""

import logging
from collections.abc import Collection
from typing import NamedTuple

from inspector.archive.recordings.metrics import RecordingMetrics, decision_name

log = logging.getLogger("inspector.archive.recordings")

DECISIONS = ("pass", "fail", "review")
BEGIN_SHARE, END_SHARE = 0.99, 0.9
"""Of the limit: a spell begins with more than the one, and ends with less than the other. While it lasts, removing
leaves the bytes just below the limit."""


class Kept(NamedTuple):
    """Recordings with a limit of their own."""

    recipe: str
    decision: int


class LimitSpells:
    """Logs the beginning and the end of each spell, and shows in a metric that it lasts. For one thread."""

    def __init__(self, metrics: RecordingMetrics) -> None:
        self._metrics = metrics
        self._at_limit: set[Kept] = set()

    def note(self, kept: Kept, num_bytes: int, max_bytes: int) -> None:
        """`num_bytes`: before the removal; without those that somebody holds."""
        if kept in self._at_limit:
            if num_bytes < END_SHARE * max_bytes:
                self._end(kept)
        elif num_bytes > BEGIN_SHARE * max_bytes:
            self._begin(kept, max_bytes)

    def close_round(self, present: Collection[Kept]) -> None:
        """Ends the spells of recordings that are all gone, and shows the others."""
        for kept in self._at_limit.difference(present):
            self._end(kept)
        for name in DECISIONS:
            lasts = any(decision_name(kept.decision) == name for kept in self._at_limit)
            self._metrics.at_limit.labels(name).set(lasts)

    def _begin(self, kept: Kept, max_bytes: int) -> None:
        self._at_limit.add(kept)
        name = decision_name(kept.decision)
        log.warning("Recordings of %s of the recipe %r have reached their limit of %d bytes: the oldest are removed "
                    "before their days are over. Keep fewer pieces, or raise %s_bytes in the recipe's table [keep].",
                    name.upper(), kept.recipe, max_bytes, name)  # fmt: skip

    def _end(self, kept: Kept) -> None:
        self._at_limit.discard(kept)
        name = decision_name(kept.decision).upper()
        log.warning("Recordings of %s of the recipe %r are below their limit of bytes again.", name, kept.recipe)
