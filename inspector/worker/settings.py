"""Settings of the worker's main loop. Their defaults are stated here only."""

from dataclasses import dataclass

from streams.decode.limits import Limits


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    commit_delay_s: float = 0.02
    """A commit waits this long for further verdicts, and longer where commits take long: at least twice as long as the
    last one took, up to `max_commit_delay_s`."""
    max_verdicts_per_commit: int = 50
    """This many verdicts are committed without waiting."""
    max_commit_delay_s: float = 0.1
    """A commit waits no longer than this, unless `commit_delay_s` is longer."""
    position_interval_s: float = 1.0
    """How often positions are committed while there are no verdicts."""
    cores: int = 1
    """Processor cores that this worker uses. From 2 on, pieces are judged next to reading and joining."""
    turn_s: float = 0.01
    """With several cores, a turn of the main loop takes at least this long."""
    idle_poll_s: float = 0.05
    max_record_bytes: int = Limits().max_record_bytes
    """The log accepts no larger verdict."""


@dataclass(frozen=True, slots=True)
class StallSettings:
    after_s: float = 30.0
    """Unread input or an open piece without progress for this long is a standstill."""
    max_wait_s: float = 2.0
    """How long an open piece may wait after all input is read: the longest delay and window of the recipes."""
