"""Opens the log that a configuration names. A service on the embedded log starts without importing Kafka's client."""

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from inspector.config.service import Service, ServiceConfig, kafka_settings
from inspector.config.tables import EmbeddedTable
from inspector.verdicts.records import essence, settled_ns
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.log import Sink, Source
from streams.log_clock import LogClock

if TYPE_CHECKING:
    from streams.kafka.log import KafkaLog

COMMAND_PATIENCE_S = 5.0
"""How long a command that ends by itself waits for Kafka, so that a person has an answer within ten seconds, on a busy
machine too."""


def open_log(
    path: Path, config: ServiceConfig, stop: Event | None = None, patience_s: float | None = None
) -> "EmbeddedLog | KafkaLog":
    """`path` is the configuration file. Setting `stop` ends the wait for a silent log, and so does `patience_s`.
    Raises ConfigError, LogError."""
    match config.log:
        case EmbeddedTable(path=file, max_bytes=max_bytes, max_age_s=max_age_s):
            limits = EmbeddedSettings(
                max_bytes=max_bytes, max_age_s=max_age_s, max_record_bytes=config.max_record_bytes
            )
            return EmbeddedLog(file, limits)
        case _:
            from streams.kafka.log import KafkaLog
            from streams.kafka.readback import OutputRules

            rules = OutputRules(settled_ns, essence)
            settings = replace(kafka_settings(path, config), stop=stop, patience_s=patience_s)
            return KafkaLog(settings, config.prefix, config.lines, rules)


def open_log_briefly(path: Path, config: ServiceConfig) -> "EmbeddedLog | KafkaLog":
    """For a command that ends by itself: its parts raise LogError when Kafka does not answer soon."""
    return open_log(path, config, patience_s=COMMAND_PATIENCE_S)


def log_clock(config: ServiceConfig) -> LogClock:
    """The clock of the configured log: Kafka brokers have their own."""
    return LogClock(by_wall=isinstance(config.log, EmbeddedTable))


def open_ends(service: Service, clock: LogClock | None = None, stop: Event | None = None) -> tuple[Source, Sink]:
    """Source and sink of a worker; the sink sets the log's `clock`. With Kafka the sink is opened first, which aborts
    open transactions of an earlier worker of this name. Raises LogStoppedError if `stop` is set during the wait."""
    config = service.config
    log = open_log(service.path, config, stop)
    if isinstance(log, EmbeddedLog):
        start_at = config.log.start_at
        return log.source(config.lines, config.prefix, config.worker.name, start_at=start_at), log.sink()
    sink = log.sink(clock=clock)
    return log.source(), sink
