"""Flags that a worker's source and sink share about their membership in the group."""

from dataclasses import dataclass


@dataclass(slots=True)
class Session:
    """Shared by one source and one sink, on one thread."""

    refused: bool = False
    """A commit was refused or is in doubt: the source must determine the positions of its shards again."""
    replaced: bool = False
    """Another process uses this worker's name."""
