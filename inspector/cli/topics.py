"""`inspector topics`: makes or checks the topics of a configuration's lines on Kafka."""

from dataclasses import replace
from pathlib import Path

import click

from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.config.opening import COMMAND_PATIENCE_S
from inspector.config.service import ServiceConfig, kafka_settings, load_service_config
from streams.kafka.client_logs import quiet_client_logs
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import TopicPlan, check_topics, create_topics

_CONFIG = click.option(
    "--config", "path", required=True, type=click.Path(path_type=Path), help="The service's configuration."
)


@click.group()
def topics() -> None:
    """Creates or checks the topics on Kafka."""


@topics.command()
@_CONFIG
@click.option(
    "--partitions",
    default=4,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Partitions of each topic; as many workers can share a line.",
)
@click.option(
    "--replication",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10),
    help="Brokers that keep a copy of each record.",
)
@click.option(
    "--retention-hours",
    type=click.FloatRange(min=0, min_open=True),
    help="Hours after which the broker deletes a record. Default: the broker's setting.",
)
@token_file_option
@report_user_errors()
def create(
    path: Path, partitions: int, replication: int, retention_hours: float | None, token_file: Path | None
) -> None:
    """Creates missing topics, and corrects settings of existing ones.

    Example: inspector topics create --config service.toml --partitions 8 --replication 3
    """
    check_may(path, "topics.change", token_file)
    config = load_service_config(path)
    plan = TopicPlan(partitions, replication, retention_hours)
    for line in create_topics(_settings(path, config), config.prefix, config.lines, plan):
        click.echo(line)


@topics.command()
@_CONFIG
@token_file_option
@report_user_errors()
def check(path: Path, token_file: Path | None) -> None:
    """Lists missing topics and wrong settings. Exit code 1 if there are any.

    Example: inspector topics check --config service.toml
    """
    check_may(path, "topics.see", token_file)
    config = load_service_config(path)
    problems = check_topics(_settings(path, config), config.prefix, config.lines)
    if problems:
        raise click.ClickException("\n".join([f"{len(problems)} problem(s)", *problems]))
    click.echo("all topics exist with the right settings")


def _settings(path: Path, config: ServiceConfig) -> KafkaSettings:
    quiet_client_logs()
    return replace(kafka_settings(path, config), patience_s=COMMAND_PATIENCE_S)
