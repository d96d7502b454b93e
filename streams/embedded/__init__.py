"""The log that needs no broker: one SQLite file, one partition per topic, several processes."""

from streams.embedded.log import EmbeddedLog
from streams.embedded.settings import EmbeddedSettings

__all__ = ["EmbeddedLog", "EmbeddedSettings"]
