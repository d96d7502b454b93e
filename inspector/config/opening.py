"""Opens the log that a configuration names. Knows no record."""

from pathlib import Path

from inspector.config.service import Service, ServiceConfig, kafka_settings
from inspector.config.tables import EmbeddedTable
from inspector.verdicts import settled_ns
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.kafka.log import KafkaLog
from streams.log import Sink, Source


def open_log(path: Path, config: ServiceConfig) -> EmbeddedLog | KafkaLog:
    """`path` is the file that the configuration came from. Raises ConfigError, LogError."""
    match config.log:
        case EmbeddedTable(path=file, max_bytes=max_bytes, max_age_s=max_age_s):
            return EmbeddedLog(file, EmbeddedSettings(max_bytes=max_bytes, max_age_s=max_age_s))
        case _:
            return KafkaLog(kafka_settings(path, config), config.prefix, config.lines, settled_ns)


def open_ends(service: Service) -> tuple[Source, Sink]:
    """A worker's source and sink. Kafka opens the sink first: that ends what a predecessor of this name left open."""
    config = service.config
    log = open_log(service.path, config)
    if isinstance(log, KafkaLog):
        sink = log.sink()
        return log.source(), sink
    start_at = config.log.start_at
    return log.source(config.lines, config.prefix, config.worker.name, start_at=start_at), log.sink()
