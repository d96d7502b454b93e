"""`inspector deployments`: what was deployed, what each worker runs now, and which bundles nobody needs any more."""

from datetime import UTC, datetime
from pathlib import Path

import click

from inspector.bundle.store import BundleStore
from inspector.cli.credentials import audited, principal_for, token_file_option
from inspector.cli.deployment_context import CONFIG, DeployContext, described, open_context
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.cli.shadow_differences import differences
from inspector.rollout.control.cleanup import list_with_references
from inspector.rollout.control.commands import DeployError
from inspector.rollout.control.history import Row, rows_of
from inspector.rollout.control.records import WorkerAt, WorkerStatus, phase_word
from protos.inspection.v1.control_pb2 import WorkerPhase


@click.command()
@CONFIG
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
    with open_context(config) as context:
        action = "deployments.tidy" if tidy else "deployments.see"
        principal = principal_for(context.service, action, token_file)
        if not tidy:
            _show(context, is_compared=is_compared)
            return
        with audited(context.service) as audit, audit.act(principal, action, str(context.service.bundles)):
            _tidy(context)


def _tidy(context: DeployContext) -> None:
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


def _show(context: DeployContext, *, is_compared: bool) -> None:
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
