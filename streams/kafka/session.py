"""What a worker's source and sink tell each other about their membership in the group. Holds two flags, no client."""

from dataclasses import dataclass


@dataclass(slots=True)
class Session:
    """Shared by one source and one sink, on one thread."""

    refused: bool = False
    """The sink had a commit refused (or in doubt): the source must find out anew where its shards stand."""
    replaced: bool = False
    """Another process works under this worker's name."""
