"""`inspector floor`: archive, alerts and live page."""

from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from inspector.access.audit.open import warn_of_lone_log
from inspector.access.audit.protocol import AuditError
from inspector.access.sign_in import AccessSetupError
from inspector.archive.database import DatabaseError
from inspector.cli.config_option import config_option
from inspector.cli.errors import report_user_errors
from inspector.config.service import load_service
from inspector.gateway.certificates import CertificateError
from inspector.service.child import give_way, stopped_with_parent
from inspector.service.floor import run_floor
from inspector.service.run_worker import ended_in_time, stopped_by_signals
from inspector.web.server import WebError
from streams.kafka.client_logs import quiet_client_logs


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
        elif service.config.web.enabled:
            warn_of_lone_log(service.access.audit)  # else the service says it, whose gateway opens the same log
        run_floor(service, CollectorRegistry(), stop)
