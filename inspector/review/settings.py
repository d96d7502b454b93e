"""Settings of the review desk. Their defaults and meanings are stated here only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """One set for all lines of a service."""

    enabled: bool = True
    """Whether there is a review desk. It needs the archive and kept recordings."""
    fails: bool = False
    """Also lets people look at pieces that the line decided FAIL."""
    pass_share: float = 0.0
    """Share of PASS pieces that people look at too, by a hash of the inspection; they need kept recordings."""
    second_share: float = 0.1
    """Share of pieces that two people look at, each without knowing the other's answer."""
    second_after_unsure: bool = True
    """Asks a second person where the first one does not know."""
    known_share: float = 0.05
    """Share of known pieces among those that a person gets; they look like all others and score the person."""
    known_rest_s: float = 86_400.0
    """A person gets the same known piece again after this time at the earliest."""
    seed: int = 0
    """Changes which PASS pieces and which second opinions are drawn."""
    lease_s: float = 600.0
    """A piece that was given out and not answered in this time may go to another person."""
    publish_after_s: float = 10.0
    """An answer goes to the feedback topic after this time; an undo before leaves no trace there."""
    undo_s: float = 3_600.0
    """Older answers cannot be undone."""
    recordings_wait_s: float = 600.0
    """A piece whose recordings are not kept after this time leaves the queue: there is nothing to look at."""
    max_age_days: float = 30.0
    """A piece that nobody answered in this time leaves the queue, and its recordings may be removed."""
    max_waiting: int = 20_000
    """Open pieces in the queue. Beyond it new pieces are not taken in until some are answered."""
