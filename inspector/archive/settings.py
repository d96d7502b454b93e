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
