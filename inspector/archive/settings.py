"""Settings of the archive. Their defaults and meanings are stated here only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """Where verdicts are kept, and for how long."""

    enabled: bool = True
    """Keeps verdicts, feedback and deployments in a database."""
    database: str = "sqlite:///archive.sqlite"
    """`sqlite:///FILE`, relative to the configuration file, or `postgresql://user@host:port/name`."""
    password_env: str | None = None
    """Name of the environment variable that holds the password of a PostgreSQL database."""
    min_free_bytes: int = 2 * 2**30
    """With less space on the disk of an SQLite file, no verdicts are archived until there is more: the log may need it.
    They are caught up then, as far as the log still holds them."""
    lock_timeout_s: float = 10.0
    """How long a statement waits for another transaction in PostgreSQL, before it is tried again later."""
    statement_timeout_s: float = 120.0
    """How long a statement in PostgreSQL may take, before it is given up."""
    pass_days: float = 180.0
    """Verdicts of PASS are removed after this time. What a review or a data set needs stays, here and below."""
    fail_days: float = 1100.0
    """Verdicts of FAIL are removed after this time."""
    review_days: float = 1100.0
    """Verdicts of REVIEW are removed after this time."""
    max_verdicts: int | None = None
    """With more verdicts, the oldest are removed, those of PASS first."""
    max_bytes: int | None = 64 * 2**30
    """With more bytes of verdicts, the oldest are removed, those of PASS first. Recordings have limits of their own."""
