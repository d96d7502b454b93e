"""Settings of the worker's main loop. Their defaults are stated here only."""

from dataclasses import dataclass

from streams.decode.limits import Limits


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    commit_delay_s: float = 0.02
    """A commit waits this long for further verdicts."""
    max_verdicts_per_commit: int = 50
    """This many verdicts are committed without waiting."""
    position_interval_s: float = 1.0
    """How often positions are committed while there are no verdicts."""
    idle_poll_s: float = 0.05
    max_record_bytes: int = Limits().max_record_bytes
    """The log accepts no larger verdict."""


@dataclass(frozen=True, slots=True)
class StallSettings:
    after_s: float = 30.0
    """Unread input or an open piece without progress for this long is a standstill."""
    max_wait_s: float = 2.0
    """How long an open piece may wait after all input is read: the longest delay and window of the recipes."""
