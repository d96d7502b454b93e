"""`inspector floor`: archive, alerts and live page, as a command and as the child process of `inspector serve`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from inspector.access.audit.protocol import AuditError
from inspector.access.sign_in import AccessSetupError
from inspector.archive.database import DatabaseError
from inspector.cli.config_option import config_option
from inspector.cli.errors import report_user_errors
from inspector.config.service import Service, load_service
from inspector.gateway.certificates import CertificateError
from inspector.service.child import Child, give_way, stopped_with_parent
from inspector.service.floor import run_floor
from inspector.service.run_worker import ended_in_time, stopped_by_signals
from inspector.web.server import WebError
from streams.kafka.client import quiet_client_logs


@click.command()
@config_option
@click.option("--stop-with-parent", is_flag=True, hidden=True)
@report_user_errors(AccessSetupError, AuditError, CertificateError, DatabaseError, WebError)
def floor(config: Path, stop_with_parent: bool) -> None:
    """Runs archive, alerts and live page, without judging.

    `inspector serve` does this too, unless its configuration has `enabled = false` under `[floor]`. Several floors may
    follow one log, on any machine.

    Example: inspector floor --config service.toml
    """
    service = load_service(config)
    quiet_client_logs()
    budget_s = service.config.worker.stop_budget_s
    with ended_in_time(budget_s), stopped_by_signals(budget_s) as stop:
        if stop_with_parent:
            give_way()
            stopped_with_parent(stop)
        run_floor(service, CollectorRegistry(), stop)


@contextmanager
def floor_process(service: Service) -> Iterator[Child | None]:
    """Runs the floor as a child process of this one, if the configuration wants it."""
    if not service.config.floor.enabled:
        yield None
        return
    options = click.get_current_context().find_root().params
    log_options = [
        "--log-level",
        options.get("log_level", "info"),
        *(["--log-json"] if options.get("log_json") else []),
    ]
    command = [*log_options, "floor", "--config", str(service.path), "--stop-with-parent"]
    with Child("floor", command, f"To see why: inspector floor --config {service.path}") as child:
        yield child
