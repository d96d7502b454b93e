"""The options of every source: where it publishes, declared once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from inspector.cli.credentials import principal_for, token_file_option
from inspector.config.service import Service, load_service
from inspector.service.metrics_server import MetricsError, MetricsServer
from inspector.service.run_worker import stopped_by_signals
from inspector.sources.metrics import Read, SourceCollector
from inspector.sources.opening import kafka_addresses, kafka_publisher, service_publisher
from inspector.sources.patient import PatientPublisher
from inspector.sources.target import Target, TargetError, Wish, bare_target, target_of
from streams.kafka.client_logs import quiet_client_logs

STOP_S = 10.0
_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="The service's configuration: its log, its recipe's cameras and sensors. This or --kafka.",
    ),
    click.option(
        "--kafka",
        metavar="HOST:PORT",
        help="A Kafka cluster without TLS and login, in place of a configuration; then name --line, and the cameras "
        "and sensors.",
    ),
    click.option("--prefix", default="inspection", show_default=True, help="With --kafka: first part of the topics."),
    click.option("--line", help="Line to publish on. Default: the first of the configuration."),
    click.option("--station", help="Station. Default: that of the recipe, else station-1."),
    click.option("--product", help="Product of the pieces. Default: that of the recipe, else part."),
    click.option("--recipe", help="Recipe to publish for, where several fit."),
    click.option("--lot", default="", help="Production lot of the pieces."),
    click.option("--metrics", metavar="HOST:PORT", help="Serve counts for Prometheus there, such as 127.0.0.1:9465."),
    token_file_option,
)


large_hours_option = click.option(
    "--large-hours",
    type=click.FloatRange(min=1),
    help="Remove files that a source wrote to --large-to longer ago; longer than the log keeps records. Default: they "
    "stay.",
)


def seconds(hours: float | None) -> float | None:
    return None if hours is None else 3600.0 * hours


@dataclass(frozen=True, slots=True)
class Place:
    """Where to publish, as the command line says it."""

    config: Path | None
    kafka: str | None
    prefix: str
    wish: Wish
    token_file: Path | None
    metrics: str | None = None

    def resolve(self, cameras: Sequence[str] = (), sensors: Sequence[str] = ()) -> "Resolved":
        """`cameras` and `sensors` describe the pieces where there is no recipe. Raises TargetError, ConfigError,
        ClickException."""
        if self.config is None and self.kafka is not None:
            addresses = kafka_addresses(self.kafka)
            target = bare_target(self.prefix, self.wish, cameras, sensors)
            return Resolved(target, None, addresses, self.metrics)
        if self.config is None or self.kafka is not None:
            raise click.UsageError("give one of --config service.toml and --kafka HOST:PORT")
        service = load_service(self.config)
        principal_for(service, "line.publish", self.token_file)
        return Resolved(target_of(service, self.wish), service, (), self.metrics)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A station, and the log behind it."""

    target: Target
    service: Service | None
    addresses: tuple[str, ...]
    metrics: str | None = None
    """Where its counts are served."""

    @property
    def is_bare(self) -> bool:
        """Whether there is no recipe."""
        return self.service is None

    @contextmanager
    def open(self, patience_s: float | None = None) -> Iterator[tuple[PatientPublisher, threading.Event]]:
        """The publisher, and an event that Ctrl+C and SIGTERM set. `patience_s` ends the wait for a silent log.
        Raises LogError."""
        quiet_client_logs()
        with stopped_by_signals(STOP_S) as stop, self._publisher(stop, patience_s) as publisher:
            yield publisher, stop

    @contextmanager
    def _publisher(self, stop: threading.Event, patience_s: float | None) -> Iterator[PatientPublisher]:
        if self.service is None:
            with kafka_publisher(self.addresses, self.target, stop, patience_s) as publisher:
                yield publisher
        else:
            with service_publisher(self.service, stop, patience_s) as publisher:
                yield publisher

    @contextmanager
    def measured(self, source: str, read: Read) -> Iterator[None]:
        """Serves the counts that `read` returns, where --metrics asks for it. Raises ClickException."""
        if self.metrics is None:
            yield
            return
        host, _, port = self.metrics.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise click.ClickException(f"--metrics {self.metrics!r} is no address; write HOST:PORT, as 127.0.0.1:9465")
        registry = CollectorRegistry()
        registry.register(SourceCollector(self.target, source, read))
        try:
            with MetricsServer(self.metrics, registry, table="--metrics"):
                yield
        except MetricsError as exc:
            raise click.ClickException(str(exc)) from exc

    def describe(self) -> str:
        topics = self.target.topics
        where = ",".join(self.addresses) if self.service is None else str(self.service.path)
        return f"{topics.line}/{self.target.station}, product {self.target.product!r}, log of {where}"


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command, which gets `place` in their stead."""

    @wraps(command)
    def call(
        config: Path | None,
        kafka: str | None,
        prefix: str,
        line: str | None,
        station: str | None,
        product: str | None,
        recipe: str | None,
        lot: str,
        metrics: str | None,
        token_file: Path | None,
        **options: object,
    ) -> None:
        wish = Wish(line, station, product, recipe, lot)
        command(place=Place(config, kafka, prefix, wish, token_file, metrics), **options)

    wrapped: Callable[..., None] = call
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def cameras_of(target: Target, named: Sequence[str], count: int) -> tuple[str, ...]:
    """The names for `count` devices: those given, else those of the recipe in its order. Raises TargetError."""
    known = [camera.name for camera in target.spec.cameras]
    names = tuple(named) or tuple(known[:count])
    if len(names) != count or len(set(names)) != count:
        raise TargetError(
            f"{count} device(s) and {len(names)} name(s): give one --camera NAME for each device, in their order"
            + (f"; the recipe's cameras are {known}" if known else "")
        )
    if unknown := [name for name in names if name not in known]:
        raise TargetError(f"the recipe has no camera {unknown[0]!r}; its cameras are {known}")
    return names
