"""The table [archive] of a service's configuration: where verdicts are kept, and for how long."""

from typing import Annotated, ClassVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from inspector.archive.settings import ArchiveSettings
from inspector.config.tables import Bytes, Seconds, Table

_ARCHIVE = ArchiveSettings()
Days = Annotated[float, Field(gt=0, le=36_500)]


class ArchiveTable(Table):
    """Where verdicts, feedback and deployments are kept, and for how long."""

    meanings_from: ClassVar[type] = ArchiveSettings

    enabled: bool = _ARCHIVE.enabled
    database: str = _ARCHIVE.database
    password_env: str | None = _ARCHIVE.password_env
    min_free_bytes: int = Field(default=_ARCHIVE.min_free_bytes, ge=0, le=2**60)
    lock_timeout_s: Seconds = _ARCHIVE.lock_timeout_s
    statement_timeout_s: Seconds = _ARCHIVE.statement_timeout_s
    pass_days: Days = _ARCHIVE.pass_days
    fail_days: Days = _ARCHIVE.fail_days
    review_days: Days = _ARCHIVE.review_days
    max_verdicts: int | None = Field(default=_ARCHIVE.max_verdicts, gt=0)
    max_bytes: Bytes | None = _ARCHIVE.max_bytes

    @field_validator("database")
    @classmethod
    def _usable(cls, value: str) -> str:
        kind, _, place = value.partition("://")
        if kind not in ("sqlite", "postgresql", "postgresql+psycopg") or not place.strip("/"):
            raise ValueError("is no database; write sqlite:///archive.sqlite or postgresql://user@host:port/name")
        try:
            address = urlsplit(value)
        except ValueError:
            raise ValueError(
                "is no address; write postgresql://user@host:port/name"
            ) from None  # its message repeats it
        names = {name.lower() for name, _ in parse_qsl(address.query, keep_blank_values=True)}
        has_password = kind != "sqlite" and ":" in place.rpartition("@")[0]
        if has_password or "password" in names:
            raise ValueError("has a password in it; name an environment variable in password_env instead")
        return value

    @property
    def settings(self) -> ArchiveSettings:
        return ArchiveSettings(**self.model_dump())
