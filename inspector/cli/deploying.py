"""`inspector deploy` and `rollback`: change which bundle judges a running line."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from inspector.bundle.load import BundleError
from inspector.cli.credentials import Act, audited, principal_for, token_file_option
from inspector.cli.deployment_context import CONFIG, DeployContext, described, open_context
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line, printable
from inspector.rollout.control.commands import Change, DeployError, DeploymentCommands, DeployRequest, recipe_of
from inspector.rollout.control.records import MODES, read_control
from inspector.rollout.control.wait import RefusedByError, await_workers
from protos.inspection.v1.control_pb2 import DeploymentMode

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


@contextmanager
def _acting(
    config: Path, action: str, recipe: str | None, token_file: Path | None
) -> Iterator[tuple[DeployContext, DeploymentCommands, Act]]:
    """The commands of a user who may perform the action, and how it is recorded. Raises ClickException."""
    with open_context(config) as context, audited(context.service) as audit:
        principal = principal_for(context.service, action, token_file)
        chosen = recipe_of(context.service, recipe)
        commands = DeploymentCommands(context.service, chosen, context.table, context.log, principal.name)
        lines = ",".join(target.line for target in commands.targets)
        yield context, commands, Act(audit, principal, action, f"{chosen.name} on {lines}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@CONFIG
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
@CONFIG
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
    context: DeployContext, commands: DeploymentCommands, changes: list[Change], wait_s: float | None, act: Act
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
