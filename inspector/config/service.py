"""Turns a configuration file into a validated `Service`: settings and recipes. Opens no log and no model."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from inspector.access.exposure import exposure_problem
from inspector.access.settings import AccessSettings
from inspector.alerts.settings import AlertSettings
from inspector.config.access_table import AccessTable
from inspector.config.alerts_table import AlertsTable
from inspector.config.archive_table import ArchiveTable
from inspector.config.floor_table import FloorTable
from inspector.config.kafka_security import kafka_security
from inspector.config.moved_keys import with_moved_keys
from inspector.config.recordings_table import RecordingsTable
from inspector.config.review_table import ReviewTable
from inspector.config.tables import (
    EmbeddedTable,
    GatewayTable,
    JoinTable,
    KafkaTable,
    MetricsTable,
    Name,
    ReferencesTable,
    Table,
    WorkerTable,
)
from inspector.config.web_table import WebTable
from inspector.recipe.problems import ConfigError, Problem, load_toml
from inspector.recipe.recipes import Recipes, find_recipe_files, load_recipes
from streams.decode.dead_letters import MAX_RAW_BYTES
from streams.decode.limits import Limits
from streams.join.assembly import JoinSettings
from streams.kafka.settings import KafkaSettings
from streams.records import Topics
from streams.references.addresses import install_hint, missing_package, shown

log = logging.getLogger("inspector.config")

GONE = {"evidence": "every heat map fits into its verdict, and no file was ever written there"}
"""Keys of earlier versions, and the reason why they are ignored."""


class ServiceConfig(Table):
    """The whole of a service's configuration file."""

    prefix: Name = "inspection"
    """First part of every topic's name."""
    lines: tuple[Name, ...] = Field(min_length=1)
    """Lines that this service judges."""
    recipes: tuple[str, ...] = Field(min_length=1)
    """Files or patterns such as `recipes/*.toml`."""
    max_record_bytes: int = Field(default=Limits().max_record_bytes, ge=2 * MAX_RAW_BYTES, le=2**30)
    """Largest record read or written. A dead letter with the first bytes of its record must fit, too."""
    log: Annotated[EmbeddedTable | KafkaTable, Field(discriminator="kind")]
    """Where records are read from and verdicts written to."""
    join: JoinTable = JoinTable()
    """How records become pieces."""
    worker: WorkerTable = WorkerTable()
    """How pieces are judged."""
    gateway: GatewayTable = GatewayTable()
    """How verdicts are served."""
    metrics: MetricsTable | None = None
    """Where metrics are served. Without this table they are not served."""
    web: WebTable = WebTable()
    """How the live page is served."""
    references: ReferencesTable = ReferencesTable()
    """Where referenced images may be fetched from."""
    archive: ArchiveTable = ArchiveTable()
    """Where verdicts are kept, and for how long."""
    recordings: RecordingsTable = RecordingsTable()
    """Where the recordings of judged pieces are kept."""
    review: ReviewTable = ReviewTable()
    """Which pieces people look at, on the Review page."""
    alerts: AlertsTable = AlertsTable()
    """What is watched beside the alerts of the recipes, and where alerts are delivered."""
    floor: FloorTable = FloorTable()
    """Whether `inspector serve` runs archive, alerts and live page."""
    access: AccessTable = AccessTable()
    """Who may do what, and where it is recorded."""

    @model_validator(mode="before")
    @classmethod
    def _without_gone_keys(cls, values: object) -> object:
        """Files of earlier versions stay usable."""
        if not isinstance(values, dict):
            return values
        for key in GONE.keys() & values.keys():
            log.warning("[%s] in the configuration is ignored: %s; remove it.", key, GONE[key])
        return with_moved_keys({key: value for key, value in values.items() if key not in GONE})

    @model_validator(mode="after")
    def _room_for_a_record(self) -> Self:
        """Half of an embedded log is for input: see `streams.embedded.retention`."""
        least = 2 * (self.max_record_bytes + 2**20)
        if isinstance(self.log, EmbeddedTable) and self.log.max_bytes < least:
            raise ValueError(
                f"log.max_bytes is {self.log.max_bytes}: half of it holds input, which is too little for one record of "
                f"max_record_bytes = {self.max_record_bytes}; set at least {least}"
            )
        return self

    @model_validator(mode="after")
    def _access_is_decided(self) -> Self:
        """A server that other machines reach has roles, or says that it has none."""
        servers = {"gateway": self.gateway.listen} | ({"web": self.web.listen} if self.web.enabled else {})
        for name, listen in servers.items():
            if problem := exposure_problem(listen, lets_somebody_in=self.access.lets_somebody_in):
                raise ValueError(f"{name}.{problem}")
        if self.web.enabled and self.web.trusted_proxies and not self.access.lets_somebody_in:
            raise ValueError(
                "web.trusted_proxies names proxies, through which others reach the page, and nobody has a role; give "
                "roles in [access] (token_file, certificates or oidc), or set access.allow_anonymous = true"
            )
        tls = (self.gateway.tls, self.web.tls)
        if self.access.certificates and not any(table is not None and table.client_ca for table in tls):
            raise ValueError(
                "access.certificates has names, and no server asks for certificates; set client_ca in [gateway.tls] or "
                "[web.tls]"
            )
        return self

    @property
    def alert_settings(self) -> AlertSettings:
        """Alerts link to the public page unless they say otherwise."""
        settings = self.alerts.settings
        return replace(settings, link=settings.link or self.web.public_url)

    def topics(self, line: str) -> Topics:
        return Topics(self.prefix, line)


class _RecipesOnly(BaseModel):
    """The part of the file that names recipes."""

    recipes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A configuration with the recipes that it names."""

    path: Path
    config: ServiceConfig
    recipes: Recipes

    @property
    def access(self) -> AccessSettings:
        """Who may do what; paths are absolute."""
        return self.config.access.settings(self.path.parent)

    @property
    def bundles(self) -> Path:
        """Where deployed bundles lie, relative to the configuration's file."""
        return (self.path.parent / self.config.worker.bundles).resolve()


def load_service_config(path: Path) -> ServiceConfig:
    """The file alone, without recipes. Raises ConfigError."""
    return load_toml(path, ServiceConfig)


def load_service(path: Path) -> Service:
    """Raises ConfigError with every problem of the file and of all recipes it names."""
    try:
        config = load_service_config(path)
    except ConfigError as exc:
        raise ConfigError([*exc.problems, *_recipe_problems(path)]) from exc
    return Service(path, config, load_recipes(find_recipe_files(path.parent, config.recipes)))


def reference_problems(service: Service) -> list[Problem]:
    """Allowed prefixes that cannot be read here because the package for them is not installed."""
    return [
        Problem(
            service.path,
            "references.allowed_prefixes",
            shown(prefix),
            f"needs the package {package}, which is not installed",
            install_hint(package),
        )
        for prefix in service.config.references.allowed_prefixes
        if (package := missing_package(prefix))
    ]


def _recipe_problems(path: Path) -> tuple[Problem, ...]:
    """Problems of the recipes that an invalid configuration file names, as far as it can be read."""
    try:
        patterns = load_toml(path, _RecipesOnly).recipes
        load_recipes(find_recipe_files(path.parent, patterns))
    except ConfigError as exc:
        return tuple(problem for problem in exc.problems if problem.file != path)
    return ()


def kafka_settings(path: Path, config: ServiceConfig) -> KafkaSettings:
    """Settings of the Kafka clients, with the password. Raises ConfigError without a Kafka log or a password."""
    table = config.log
    if not isinstance(table, KafkaTable):
        raise ConfigError([Problem(path, "log.kind", repr(table.kind), "is no Kafka log", 'set kind = "kafka"')])
    return KafkaSettings(
        bootstrap_servers=table.bootstrap_servers,
        group=table.group,
        worker=config.worker.name,
        security=kafka_security(path, table),
        start_at=table.start_at,
        max_record_bytes=config.max_record_bytes,
        session_timeout_s=table.session_timeout_s,
        transaction_timeout_s=table.transaction_timeout_s,
        gather_s=table.gather_s,
        linger_s=table.linger_s,
        reread_s=_reread_s(config.join.settings),
    )


def _reread_s(join: JoinSettings) -> float:
    """How much older than the newest judged piece a needed record may be; one minute of it is for windows."""
    return 60.0 + 2 * join.dedup_horizon_s + join.max_delay_s + join.max_skew_s + join.read_ahead_s
