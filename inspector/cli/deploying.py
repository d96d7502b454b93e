"""`inspector deploy`, `rollback` and `deployments`: which bundle judges a running line, and which did."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from inspector.bundle.load import DIGEST_DIGITS, BundleError
from inspector.bundle.store import BundleStore
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import printable, say
from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.rollout.control.cleanup import list_with_references
from inspector.rollout.control.commands import Change, DeployError, DeploymentCommands, DeployRequest, recipe_of
from inspector.rollout.control.history import Row, rows_of
from inspector.rollout.control.records import MODES, ControlTable, WorkerAt, WorkerStatus, phase_word, read_control
from inspector.rollout.control.wait import RefusedByError, await_workers
from protos.inspection.v1.control_pb2 import Deployment, DeploymentMode, WorkerPhase
from streams.kafka import quiet_client_logs
from streams.log import Log

_CONFIG = click.option("--config", required=True, type=click.Path(path_type=Path), help="The service's configuration.")
_RECIPE = click.option("--recipe", help="Recipe that it is for, where the service has several.")
_REASON = click.option("--reason", default="", help="Kept in the history.")
_WAIT = click.option(
    "--wait", "wait_s", default=300.0, show_default=True, type=click.FloatRange(min=0), help="Seconds for the workers."
)
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Write the record and leave the workers to it.")


class _DeployContext(NamedTuple):
    """What the commands work with."""

    service: Service
    log: Log
    table: ControlTable


@contextmanager
def _desk(config: Path) -> Iterator[_DeployContext]:
    quiet_client_logs()
    service = load_service(config)
    table = ControlTable(service.config.prefix, service.config.lines)
    with closing(open_log(service.path, service.config)) as log:
        read_control(log, table).close()
        yield _DeployContext(service, log, table)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@_CONFIG
@_RECIPE
@click.option("--shadow", is_flag=True, help="Judge beside the live bundle; compared, not acted upon.")
@click.option("--canary", type=click.FloatRange(0, 1, min_open=True), help="Judge this share of the inspections.")
@click.option("--canary-stations", help="Judge these stations, as A,B.")
@_REASON
@_WAIT
@_NO_WAIT
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
) -> None:
    """Has BUNDLE judge the running line, once every worker has checked it. Refused by one, it is taken back: exit
    code 1, and the line goes on with what it had."""
    wish = _wish(shadow, canary, canary_stations, reason)
    with _desk(config) as desk:
        orders = DeploymentCommands(desk.service, recipe_of(desk.service, recipe), desk.table, desk.log)
        _follow(desk, orders, orders.deploy(bundle, wish), None if no_wait else wait_s)


def _wish(shadow: bool, canary: float | None, stations: str | None, reason: str) -> DeployRequest:
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
@report_user_errors(BundleError, DeployError)
def rollback(config: Path, recipe: str | None, reason: str, wait_s: float, no_wait: bool) -> None:
    """Ends the recipe's shadow or canary on every line that has one; where none has, has judge again what judged
    before the live deployment. Lines that have nothing to take back are named and left as they are."""
    with _desk(config) as desk:
        orders = DeploymentCommands(desk.service, recipe_of(desk.service, recipe), desk.table, desk.log)
        changes = orders.roll_back(reason)
        changed = {change.target for change in changes}
        for target in orders.targets:
            if target not in changed:
                say(f"{target.line}: nothing is taken back, this line goes on as it is")
        _follow(desk, orders, changes, None if no_wait else wait_s)


def _follow(desk: _DeployContext, orders: DeploymentCommands, changes: list[Change], wait_s: float | None) -> None:
    """Waits for the workers; None: not at all."""
    for change in changes:
        say(f"deployment {change.deployment.number} on {change.target.line}: {described(change.deployment)}")
    if wait_s is None:
        return
    try:
        with closing(read_control(desk.log, desk.table)) as tail:
            num_workers = await_workers(desk.table, tail, changes, wait_s, say)
    except RefusedByError as refused:
        orders.withdraw(changes, str(refused))
        raise DeployError(
            f"{printable(str(refused))}\nit is taken back, and the line goes on with what it had"
        ) from refused
    if not num_workers:
        raise DeployError(
            "no worker has reported within a minute: the record stands, and workers take it when they start"
        )
    say(f"done: {num_workers} worker(s) follow")


def described(deployment: Deployment) -> str:
    """What is to judge, and how."""
    named = f"{deployment.bundle} {deployment.version} ({deployment.digest[:DIGEST_DIGITS]})"
    text = f"{MODES.get(deployment.mode, '?')}: {named if deployment.folder else 'the bundle that the recipe names'}"
    if deployment.share:
        text += f", {deployment.share:.1%} of the inspections"
    if deployment.stations:
        text += f", stations {', '.join(deployment.stations)}"
    return text + (f", takes back deployment {deployment.rolls_back}" if deployment.rolls_back else "")


@click.command()
@_CONFIG
@click.option("--tidy", is_flag=True, help="Remove bundles that nothing returns to, in place of showing the history.")
@report_user_errors(DeployError)
def deployments(config: Path, tidy: bool) -> None:
    """Shows what judged when, who decided it, and how far the workers are.

    With --tidy, empties the folder of `[worker] bundles`: of the bundles that were deployed on the configuration's
    lines, those go that neither judge nor are on trial and that no chain of roll-backs returns to. Every bundle is
    listed with its size, and why it stays; nothing but bundles is touched, and nothing at all where the control topics
    cannot be read whole. Where several configurations share the folder, give one that names all their lines; and wait
    until nobody's `deploy` or `rollback` waits for workers, for what it may have to take back is not known here.
    """
    with _desk(config) as desk:
        if tidy:
            _tidy(desk)
        else:
            _show(desk.table)


def _tidy(desk: _DeployContext) -> None:
    shelf, freed = BundleStore(desk.service.bundles), 0
    try:
        for found in list_with_references(desk.service, desk.log):
            if not found.needed:
                shelf.remove(found.name)
                freed += found.num_bytes
            fate = f"kept, {found.needed}" if found.needed else "removed, nothing returns to it"
            say(f"{found.name}: {found.num_bytes / 1e6:.1f} MB: {fate}")
    except OSError as exc:
        raise DeployError(
            f"{exc.filename}: cannot be listed or removed ({exc.strerror}); tidy as a user who may write in "
            f"{desk.service.bundles}"
        ) from exc
    say(f"{freed / 1e6:.1f} MB freed in {desk.service.bundles}")


def _show(table: ControlTable) -> None:
    for row in rows_of(table):
        say(_history_line(row))
    for at, word in sorted(table.workers.items()):
        say(_worker_line(at, word, table.newest_ns))
    if not table.workers:
        say("no worker has ever reported")


def _history_line(row: Row) -> str:
    found = row.deployment
    when = datetime.fromtimestamp(found.deployed_ns / 1e9, UTC).isoformat(sep=" ", timespec="seconds")
    reason = f" ({found.reason})" if found.reason else ""
    target = f"{row.line} {found.recipe} {found.number}"
    return f"{target}: {when} {found.by}{reason}: {described(found)}: {row.state}"


def _worker_line(at: WorkerAt, word: WorkerStatus, newest_ns: int) -> str:
    state, age_s = word.state, max(0.0, (newest_ns - word.append_ns) / 1e9)
    detail = f" ({state.detail})" if state.detail else ""
    text = f"{at.line} {at.recipe} {at.worker}: {phase_word(state.phase)} {state.deployment}{detail}"
    if state.shadow_equal or state.shadow_different:
        text += f", shadow decided alike {state.shadow_equal} times and otherwise {state.shadow_different} times"
    verb = "judged" if state.phase == WorkerPhase.WORKER_PHASE_STOPPED else "judges"
    return f"{text}; {verb} with {state.live or 'its own bundle'} on {state.engine}, said {age_s:.0f} s ago"
