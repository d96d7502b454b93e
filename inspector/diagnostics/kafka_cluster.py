"""Whether the brokers of a configuration accept connections, and whether the cluster answers this user."""

import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from inspector.config.opening import COMMAND_PATIENCE_S
from inspector.config.service import ServiceConfig, kafka_settings
from inspector.diagnostics.finding import Finding
from inspector.recipe.problems import ConfigError
from streams.kafka.client_logs import quiet_client_logs
from streams.kafka.topics import check_topics
from streams.log import LogError

_CONNECT_S = 2.0
_SUBJECT = "Kafka and its topics"


def kafka_findings(path: Path, config: ServiceConfig, addresses: Sequence[str]) -> list[Finding]:
    """`path` is the configuration file. Asks the cluster only where a broker accepts a connection."""
    brokers = [_reach(address) for address in addresses]
    return [*brokers, _cluster(path, config)] if any(broker.state == "ok" for broker in brokers) else brokers


def _reach(address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)):
            return Finding(f"broker {address}", "ok", "accepts connections")
    except OSError as exc:
        remedy = "start it (make broker runs one here), or correct log.bootstrap_servers"
        return Finding(f"broker {address}", "wrong", f"cannot be reached ({exc})", remedy)


def _cluster(path: Path, config: ServiceConfig) -> Finding:
    """With the login and TLS of the configuration."""
    quiet_client_logs()
    try:
        settings = replace(kafka_settings(path, config), patience_s=COMMAND_PATIENCE_S)
        problems = check_topics(settings, config.prefix, config.lines)
    except (ConfigError, LogError) as exc:
        problem, _, remedy = str(exc).rpartition(": ")
        return Finding(_SUBJECT, "wrong", problem or remedy, remedy if problem else f"inspector check {path}")
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return Finding(_SUBJECT, "wrong", problems[0] + more, f"inspector topics check --config {path}")
    return Finding(_SUBJECT, "ok", "answers, and all topics are right")
