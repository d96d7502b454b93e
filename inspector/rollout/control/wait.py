"""Waits until all workers serve a deployment or one refuses it, and reports their progress."""

import time
from collections.abc import Callable, Iterator, Sequence

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.commands import Change, DeployError
from inspector.rollout.control.records import ControlTable, WorkerStatus, phase_word
from protos.inspection.v1.control_pb2 import WorkerPhase
from streams.log import Tail

REPORTED_S = 60.0
"""Does not wait for a worker that has not reported for this long by the log's clock, unless it prepares a bundle."""
_PREPARING = frozenset(
    {WorkerPhase.WORKER_PHASE_LOADING, WorkerPhase.WORKER_PHASE_CHECKING, WorkerPhase.WORKER_PHASE_READY}
)
_LOOK_S = 0.2
_DETAIL_CHARS = 400


class RefusedByError(DeployError):
    """A worker refuses a deployment."""


def await_workers(
    table: ControlTable, tail: Tail, changes: Sequence[Change], wait_s: float, report: Callable[[str], None]
) -> int:
    """The number of workers that serve the changes; `table` was read to its end after the changes were written.

    Raises RefusedByError, DeployError.
    """
    deadline_s = time.monotonic() + wait_s
    reported: dict[tuple[DeploymentTarget, str], str] = {}
    while True:
        table.take(tail.poll(_LOOK_S))
        for change in changes:
            _check_standing(table, change)
        statuses = list(_statuses(table, changes))
        for change, worker, status in statuses:
            _report_once(reported, change, worker, status, report)
        late = [worker for change, worker, status in statuses if not _is_serving(change, status)]
        if not late:
            return len(statuses)
        if time.monotonic() > deadline_s:
            raise DeployError(
                f"after {wait_s:g} s {', '.join(sorted(set(late)))} did not follow; the deployment stays active, and "
                "they will follow when they can: see `inspector deployments`, or undo it with `inspector rollback`"
            )


def _statuses(table: ControlTable, changes: Sequence[Change]) -> Iterator[tuple[Change, str, WorkerStatus]]:
    """Of the workers that are running."""
    since_ns = table.newest_ns - int(REPORTED_S * 1e9)
    for change in changes:
        for worker, status in sorted(table.statuses(change.target).items()):
            if _is_alive(change, status, since_ns):
                yield change, worker, status


def _is_alive(change: Change, status: WorkerStatus, since_ns: int) -> bool:
    """A worker that opens and warms the expected deployment does not report."""
    if status.state.phase == WorkerPhase.WORKER_PHASE_STOPPED:
        return False
    return status.append_ns > since_ns or (status.is_about(change.expected) and status.state.phase in _PREPARING)


def _check_standing(table: ControlTable, change: Change) -> None:
    """Our own record has been read, so any other record is later. Raises DeployError."""
    active = table.active.get(change.target)
    if active is not None and active != change.active:
        other = active.candidate if active.HasField("candidate") else active.live
        raise DeployError(
            f"deployment {other.number} by {other.by} replaced deployment {change.deployment.number}: talk to them"
        )


def _is_serving(change: Change, status: WorkerStatus) -> bool:
    return status.is_about(change.expected) and status.state.phase == WorkerPhase.WORKER_PHASE_LIVE


def _report_once(
    reported: dict[tuple[DeploymentTarget, str], str],
    change: Change,
    worker: str,
    status: WorkerStatus,
    report: Callable[[str], None],
) -> None:
    """Raises RefusedByError."""
    if not status.is_about(change.expected):
        return
    text = phase_word(status.state.phase) + (f": {status.state.detail[:_DETAIL_CHARS]}" if status.state.detail else "")
    if reported.get((change.target, worker)) != text:
        reported[change.target, worker] = text
        report(f"{change.target.line} {worker}: {text}")
    if status.state.phase == WorkerPhase.WORKER_PHASE_REFUSED:
        raise RefusedByError(f"{worker} refuses deployment {change.expected.number}: {status.state.detail}")
