"""Settings of kept recordings. Their defaults and meanings are stated here only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """Where the recordings of judged pieces are kept; recipes say which ones, in their table `[keep]`."""

    enabled: bool = True
    """Keeps recordings. Without it, pictures and sounds of pieces can be seen only while the log holds them."""
    store: str = "recordings"
    """A folder, relative to the configuration file, or an address such as `s3://bucket/folder`."""
    min_free_bytes: int = 2 * 2**30
    """With less space on the folder's disk, no recordings are kept until there is more: the log may need it."""
    max_piece_bytes: int = 256 * 2**20
    """Of the records of one piece; recordings beyond it are not kept."""
    timeout_s: float = 20.0
    """Of reading a piece's records of one topic, and of one request to the store."""
    sweep_every_s: float = 86_400.0
    """How often files that no piece needs are searched for. The first search is an hour after the start."""
