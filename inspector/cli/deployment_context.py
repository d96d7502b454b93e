"""What the commands about deployments share: the service with its control records, and the words for a deployment."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from inspector.bundle.load import DIGEST_DIGITS
from inspector.config.opening import open_log_briefly
from inspector.config.service import Service, load_service
from inspector.rollout.control.records import MODES, ControlTable, read_control
from protos.inspection.v1.control_pb2 import Deployment
from streams.kafka.client_logs import quiet_client_logs
from streams.log import Log

CONFIG = click.option("--config", required=True, type=click.Path(path_type=Path), help="The service's configuration.")


class DeployContext(NamedTuple):
    """The service, its log, and the control records of now."""

    service: Service
    log: Log
    table: ControlTable


@contextmanager
def open_context(config: Path) -> Iterator[DeployContext]:
    quiet_client_logs()
    service = load_service(config)
    table = ControlTable(service.config.prefix, service.config.lines)
    with closing(open_log_briefly(service.path, service.config)) as log:
        read_control(log, table).close()
        yield DeployContext(service, log, table)


def described(deployment: Deployment) -> str:
    """The bundle, and how it is deployed."""
    named = f"{deployment.bundle} {deployment.version} ({deployment.digest[:DIGEST_DIGITS]})"
    text = f"{MODES.get(deployment.mode, '?')}: {named if deployment.folder else 'the bundle that the recipe names'}"
    if deployment.share:
        text += f", {deployment.share:.1%} of the inspections"
    if deployment.stations:
        text += f", stations {', '.join(deployment.stations)}"
    return text + (f", rolls back deployment {deployment.rolls_back}" if deployment.rolls_back else "")
