"""Opens the log that a configuration names. Knows no record."""

from pathlib import Path

from inspector.config.service import ServiceConfig, kafka_settings
from inspector.config.tables import EmbeddedTable
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.kafka.log import KafkaLog


def open_log(path: Path, config: ServiceConfig) -> EmbeddedLog | KafkaLog:
    """`path` is the file that the configuration came from. Raises ConfigError, LogError."""
    match config.log:
        case EmbeddedTable(path=file, max_bytes=max_bytes, max_age_s=max_age_s):
            return EmbeddedLog(file, EmbeddedSettings(max_bytes=max_bytes, max_age_s=max_age_s))
        case _:
            return KafkaLog(kafka_settings(path, config), config.prefix, config.lines)
