"""`inspector deploy`, `rollback` and `deployments`: which bundles judge a running line now, and which did before."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from inspector.bundle.load import DIGEST_DIGITS, BundleError
from inspector.bundle.store import BundleStore
from inspector.cli.credentials import Act, audited, principal_for, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line, printable
from inspector.cli.shadow_differences import differences
from inspector.config.opening import open_log_briefly
from inspector.config.service import Service, load_service
from inspector.rollout.control.cleanup import list_with_references
from inspector.rollout.control.commands import Change, DeployError, DeploymentCommands, DeployRequest, recipe_of
from inspector.rollout.control.history import Row, rows_of
from inspector.rollout.control.records import MODES, ControlTable, WorkerAt, WorkerStatus, phase_word, read_control
from inspector.rollout.control.wait import RefusedByError, await_workers
from protos.inspection.v1.control_pb2 import Deployment, DeploymentMode, WorkerPhase
from streams.kafka.client_logs import quiet_client_logs
from streams.log import Log

_CONFIG = click.option("--config", required=True, type=click.Path(path_type=Path), help="The service's configuration.")
_RECIPE = click.option("--recipe", help="Name of the recipe; needed if the service has several.")
_REASON = click.option("--reason", default="", help="Why; shown in the history.")
_WAIT = click.option(
    "--wait",
    "wait_s",
    default=300.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds to wait until the workers follow.",
)
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Do not wait for the workers.")


class _DeployContext(NamedTuple):
    """The service, its log, and the control records of now."""

    service: Service
    log: Log
    table: ControlTable


@contextmanager
def _open_context(config: Path) -> Iterator[_DeployContext]:
    quiet_client_logs()
    service = load_service(config)
    table = ControlTable(service.config.prefix, service.config.lines)
    with closing(open_log_briefly(service.path, service.config)) as log:
        read_control(log, table).close()
        yield _DeployContext(service, log, table)


@contextmanager
def _acting(
    config: Path, action: str, recipe: str | None, token_file: Path | None
) -> Iterator[tuple[_DeployContext, DeploymentCommands, Act]]:
    """The commands of a user who may perform the action, and how it is recorded. Raises ClickException."""
    with _open_context(config) as context, audited(context.service) as audit:
        principal = principal_for(context.service, action, token_file)
        chosen = recipe_of(context.service, recipe)
        commands = DeploymentCommands(context.service, chosen, context.table, context.log, principal.name)
        lines = ",".join(target.line for target in commands.targets)
        yield context, commands, Act(audit, principal, action, f"{chosen.name} on {lines}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@_CONFIG
@_RECIPE
@click.option(
    "--shadow", is_flag=True, help="On trial: judges every piece too, but only counts where its decision differs."
)
@click.option(
    "--canary",
    type=click.FloatRange(0, 1, min_open=True),
    help="On trial: decides for this share of the inspections, such as 0.05.",
)
@click.option("--canary-stations", help="On trial: decides at these stations, such as A,B.")
@_REASON
@_WAIT
@_NO_WAIT
@token_file_option
@report_user_errors(BundleError, DeployError)
def deploy(
    bundle: Path,
    config: Path,
    recipe: str | None,
    shadow: bool,
    canary: float | None,
    canary_stations: str | None,
    reason: str,
    wait_s: float,
    no_wait: bool,
    token_file: Path | None,
) -> None:
    """Deploys BUNDLE to the running line. Every worker checks it first; if one refuses it, the line continues with the
    bundle it has, and the exit code is 1.

    \b
    inspector deploy bundles/cup-7 --config service.toml                   live
    inspector deploy bundles/cup-7 --config service.toml --canary 0.05     on trial, for 5 % of the inspections
    """
    request = _deploy_request(shadow, canary, canary_stations, reason)
    with _acting(config, "deploy", recipe, token_file) as (context, commands, act):
        detail = {"bundle": str(bundle), "mode": MODES[request.mode], "reason": reason}
        with act(detail):
            changes = commands.deploy(bundle, request)
        _follow(context, commands, changes, None if no_wait else wait_s, act)


def _deploy_request(shadow: bool, canary: float | None, stations: str | None, reason: str) -> DeployRequest:
    if sum((shadow, canary is not None, stations is not None)) > 1:
        raise click.UsageError("--shadow, --canary and --canary-stations exclude each other; give one of them")
    if shadow:
        return DeployRequest(DeploymentMode.DEPLOYMENT_MODE_SHADOW, reason=reason)
    named = tuple(name.strip() for name in (stations or "").split(",") if name.strip())
    if stations is not None and not named:
        raise click.UsageError(f"--canary-stations {stations!r} names no station; write A,B")
    if canary is not None or named:
        return DeployRequest(DeploymentMode.DEPLOYMENT_MODE_CANARY, canary or 0.0, named, reason)
    return DeployRequest(reason=reason)


@click.command()
@_CONFIG
@_RECIPE
@_REASON
@_WAIT
@_NO_WAIT
@token_file_option
@report_user_errors(BundleError, DeployError)
def rollback(
    config: Path, recipe: str | None, reason: str, wait_s: float, no_wait: bool, token_file: Path | None
) -> None:
    """Ends the trial (shadow or canary) of the recipe on every line. If no line has a trial, returns every line to the
    deployment before the live one. A line with nothing to roll back is named and stays as it is.

    Example: inspector rollback --config service.toml --reason "too many rejects"
    """
    with _acting(config, "rollback", recipe, token_file) as (context, commands, act):
        with act({"reason": reason}):
            changes = commands.roll_back(reason)
        changed = {change.target for change in changes}
        for target in commands.targets:
            if target not in changed:
                print_line(f"{target.line}: nothing to roll back; this line continues as before")
        _follow(context, commands, changes, None if no_wait else wait_s, act)


def _follow(
    context: _DeployContext, commands: DeploymentCommands, changes: list[Change], wait_s: float | None, act: Act
) -> None:
    """Waits for the workers; None: does not wait."""
    for change in changes:
        print_line(f"deployment {change.deployment.number} on {change.target.line}: {described(change.deployment)}")
    if wait_s is None:
        return
    try:
        with closing(read_control(context.log, context.table)) as tail:
            num_workers = await_workers(context.table, tail, changes, wait_s, print_line)
    except RefusedByError as refused:
        with act({"withdrawn": str(refused)}):
            commands.withdraw(changes, str(refused))
        raise DeployError(f"{printable(str(refused))}\nrolled back; the line continues as before") from refused
    if not num_workers:
        raise DeployError(
            "no worker has reported within a minute: the deployment stays active, and workers use it when they start"
        )
    print_line(f"done: {num_workers} worker(s) follow")


def described(deployment: Deployment) -> str:
    """The bundle, and how it is deployed."""
    named = f"{deployment.bundle} {deployment.version} ({deployment.digest[:DIGEST_DIGITS]})"
    text = f"{MODES.get(deployment.mode, '?')}: {named if deployment.folder else 'the bundle that the recipe names'}"
    if deployment.share:
        text += f", {deployment.share:.1%} of the inspections"
    if deployment.stations:
        text += f", stations {', '.join(deployment.stations)}"
    return text + (f", rolls back deployment {deployment.rolls_back}" if deployment.rolls_back else "")


@click.command()
@_CONFIG
@click.option("--tidy", is_flag=True, help="Remove bundles that no line needs any more.")
@click.option("--differences", "is_compared", is_flag=True, help="Show where a shadow decided differently.")
@token_file_option
@report_user_errors(DeployError)
def deployments(config: Path, tidy: bool, is_compared: bool, token_file: Path | None) -> None:
    """Shows the history of deployments: who deployed what and why, and what each worker runs now.

    With --tidy, it cleans up the bundle store (`[worker] bundles`) instead. It removes a bundle that was deployed on
    these lines once, that no line judges with or has on trial, and that no rollback can return to. It lists every
    bundle with its size, and why it was kept.

    --differences reads the verdicts of shadows that are still in the log: which way they decided differently, and on
    which pieces.

    Before --tidy: if several configurations share the store, give one that names all their lines. Wait until no
    `deploy` or `rollback` is running. If the history cannot be read to its end, nothing is removed.
    """
    with _open_context(config) as context:
        action = "deployments.tidy" if tidy else "deployments.see"
        principal = principal_for(context.service, action, token_file)
        if not tidy:
            _show(context, is_compared=is_compared)
            return
        with audited(context.service) as audit, audit.act(principal, action, str(context.service.bundles)):
            _tidy(context)


def _tidy(context: _DeployContext) -> None:
    store, freed_bytes = BundleStore(context.service.bundles), 0
    try:
        for stored in list_with_references(context.service, context.log):
            if not stored.needed:
                store.remove(stored.name)
                freed_bytes += stored.num_bytes
            outcome = f"kept, {stored.needed}" if stored.needed else "removed, no longer needed"
            print_line(f"{stored.name}: {stored.num_bytes / 1e6:.1f} MB: {outcome}")
    except OSError as exc:
        raise DeployError(
            f"{exc.filename}: cannot be listed or removed ({exc.strerror}); tidy as a user who may write in "
            f"{context.service.bundles}"
        ) from exc
    print_line(f"{freed_bytes / 1e6:.1f} MB freed in {context.service.bundles}")


def _show(context: _DeployContext, *, is_compared: bool) -> None:
    table = context.table
    if is_compared:
        for line in differences(context.log):
            print_line(line)
        return
    for row in rows_of(table):
        print_line(_history_line(row))
    for at, status in sorted(table.workers.items()):
        print_line(_worker_line(at, status, table.newest_ns))
    if not table.workers:
        print_line("no worker has ever reported")


def _history_line(row: Row) -> str:
    deployment = row.deployment
    when = datetime.fromtimestamp(deployment.deployed_ns / 1e9, UTC).isoformat(sep=" ", timespec="seconds")
    reason = f" ({deployment.reason})" if deployment.reason else ""
    target = f"{row.line} {deployment.recipe} {deployment.number}"
    return f"{target}: {when} {deployment.by}{reason}: {described(deployment)}: {row.state}"


def _worker_line(at: WorkerAt, status: WorkerStatus, newest_ns: int) -> str:
    state, age_s = status.state, max(0.0, (newest_ns - status.append_ns) / 1e9)
    detail = f" ({state.detail})" if state.detail else ""
    text = f"{at.line} {at.recipe} {at.worker}: {phase_word(state.phase)} {state.deployment}{detail}"
    if state.shadow_equal or state.shadow_different:
        text += f", shadow decided the same {state.shadow_equal} times and differently {state.shadow_different} times"
    verb = "judged" if state.phase == WorkerPhase.WORKER_PHASE_STOPPED else "judges"
    return f"{text}; {verb} with {state.live or 'its own bundle'} on {state.engine}, reported {age_s:.0f} s ago"
