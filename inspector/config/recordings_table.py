"""The table [recordings] of a service's configuration: where the recordings of judged pieces are kept."""

from typing import ClassVar

from pydantic import Field, field_validator

from inspector.archive.recordings.settings import RecordingSettings
from inspector.config.tables import Bytes, Seconds, Table
from streams.references.addresses import PACKAGES, scheme_of

_RECORDINGS = RecordingSettings()


class RecordingsTable(Table):
    """Where the recordings of judged pieces are kept; which ones, recipes say in `[keep]`."""

    meanings_from: ClassVar[type] = RecordingSettings

    enabled: bool = _RECORDINGS.enabled
    store: str = _RECORDINGS.store
    min_free_bytes: int = Field(default=_RECORDINGS.min_free_bytes, ge=0, le=2**60)
    max_piece_bytes: Bytes = _RECORDINGS.max_piece_bytes
    timeout_s: Seconds = _RECORDINGS.timeout_s
    sweep_every_s: Seconds = _RECORDINGS.sweep_every_s

    @field_validator("store")
    @classmethod
    def _usable(cls, value: str) -> str:
        if not value.strip() or "\x00" in value:
            raise ValueError(
                'is no place; write a folder such as "recordings", or an address such as s3://bucket/folder'
            )
        scheme = scheme_of(value) if "://" in value else "file"
        if scheme != "file" and scheme not in PACKAGES:
            raise ValueError(f"{scheme}:// is not written to; use a folder or one of {', '.join(sorted(PACKAGES))}")
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("has credentials in it; the environment of the service provides them")
        return value

    @property
    def settings(self) -> RecordingSettings:
        return RecordingSettings(**self.model_dump())
