"""Settings of what a piece may cost. Their defaults are stated here only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    scouts_only_after_s: float = 60.0
    """Only scouts look at pieces that waited longer in the log."""
    review_after_s: float = 120.0
    """Pieces that waited longer get REVIEW / OVERLOAD."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    max_p99_s: float | None = None
    """Bundles with the policy `budgeted` run fewer experts while the 99th percentile of the time from a piece's last
    record to its decision is longer. Without it latency has no influence."""
    max_cpu_share: float | None = None
    """The same for the CPU time of judging; 1 is one core."""
    period_s: float = 0.5
    """The shortest time between two changes of the price; each uses only measurements since the last change."""
    raise_by: float = 2.0
    lower_by: float = 1.1
    """Up fast, for a queue grows meanwhile; down slowly, so that the price does not swing."""
    aim: float = 0.7
    """The share of the limits that is steered for; the rest is for swings."""
