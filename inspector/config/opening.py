"""Opens the log that a configuration names. Knows no record."""

from dataclasses import replace
from pathlib import Path
from threading import Event

from inspector.config.service import Service, ServiceConfig, kafka_settings
from inspector.config.tables import EmbeddedTable
from inspector.verdicts.records import essence, settled_ns
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.kafka.log import KafkaLog
from streams.kafka.readback import OutputRules
from streams.log import Sink, Source
from streams.log_clock import LogClock


def open_log(path: Path, config: ServiceConfig, stop: Event | None = None) -> EmbeddedLog | KafkaLog:
    """`path` is the file that the configuration came from; once `stop` is set, nothing waits for the log to open.
    Raises ConfigError, LogError."""
    match config.log:
        case EmbeddedTable(path=file, max_bytes=max_bytes, max_age_s=max_age_s):
            limits = EmbeddedSettings(
                max_bytes=max_bytes, max_age_s=max_age_s, max_record_bytes=config.max_record_bytes
            )
            return EmbeddedLog(file, limits)
        case _:
            rules = OutputRules(settled_ns, essence)
            settings = replace(kafka_settings(path, config), stop=stop)
            return KafkaLog(settings, config.prefix, config.lines, rules)


def log_clock(config: ServiceConfig) -> LogClock:
    """The clock of the configured log: Kafka's brokers have clocks of their own."""
    return LogClock(by_wall=isinstance(config.log, EmbeddedTable))


def open_ends(service: Service, clock: LogClock | None = None, stop: Event | None = None) -> tuple[Source, Sink]:
    """A worker's source and sink; the sink sets the log's `clock`. Kafka opens the sink first: that ends what a
    predecessor of this name left open. Raises LogStoppedError when `stop` is set while the log is waited for."""
    config = service.config
    log = open_log(service.path, config, stop)
    if isinstance(log, KafkaLog):
        sink = log.sink(clock=clock)
        return log.source(), sink
    start_at = config.log.start_at
    return log.source(config.lines, config.prefix, config.worker.name, start_at=start_at), log.sink()
