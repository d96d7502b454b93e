"""Waits until all workers do what was ordered, or one refuses, and tells how far each is. Orders nothing."""

import time
from collections.abc import Callable, Iterator, Sequence

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.commands import Change, DeployError
from inspector.rollout.control.records import ControlTable, WorkerStatus, phase_word
from protos.inspection.v1.control_pb2 import WorkerPhase
from streams.log import Tail

REPORTED_S = 60.0
"""Whoever has said nothing for this long, by the log's own clock, is not waited for, unless it prepares a bundle."""
_PREPARING = frozenset(
    {WorkerPhase.WORKER_PHASE_LOADING, WorkerPhase.WORKER_PHASE_CHECKING, WorkerPhase.WORKER_PHASE_READY}
)
_LOOK_S = 0.2
_WORDS = 400


class RefusedByError(DeployError):
    """A worker does not take a deployment."""


def await_workers(
    table: ControlTable, tail: Tail, changes: Sequence[Change], wait_s: float, tell: Callable[[str], None]
) -> int:
    """The number of workers that follow now; `table` was read to the end after the changes were written.

    Raises RefusedByError, OrderError.
    """
    deadline_s = time.monotonic() + wait_s
    told: dict[tuple[DeploymentTarget, str], str] = {}
    while True:
        table.take(tail.poll(_LOOK_S))
        for change in changes:
            _check_standing(table, change)
        words = list(_words(table, changes))
        for change, worker, word in words:
            _tell_once(told, change, worker, word, tell)
        late = [worker for change, worker, word in words if not _is_there(change, word)]
        if not late:
            return len(words)
        if time.monotonic() > deadline_s:
            raise DeployError(
                f"after {wait_s:g} s {', '.join(sorted(set(late)))} did not follow; the record stands and they will "
                "when they can: see `inspector deployments`, or take it back with `inspector rollback`"
            )


def _words(table: ControlTable, changes: Sequence[Change]) -> Iterator[tuple[Change, str, WorkerStatus]]:
    """What workers said that are alive."""
    since_ns = table.newest_ns - int(REPORTED_S * 1e9)
    for change in changes:
        for worker, word in sorted(table.words(change.place).items()):
            if _is_alive(change, word, since_ns):
                yield change, worker, word


def _is_alive(change: Change, word: WorkerStatus, since_ns: int) -> bool:
    """While a worker opens and warms what is wanted, it says nothing."""
    if word.state.phase == WorkerPhase.WORKER_PHASE_STOPPED:
        return False
    return word.append_ns > since_ns or (word.is_about(change.wanted) and word.state.phase in _PREPARING)


def _check_standing(table: ControlTable, change: Change) -> None:
    """The table has been read past our own record: any other one is later. Raises OrderError."""
    found = table.active.get(change.place)
    if found is not None and found != change.active:
        by = found.trial if found.HasField("trial") else found.live
        raise DeployError(f"deployment {by.number} by {by.by} counts now, not {change.deployment.number}: talk to them")


def _is_there(change: Change, word: WorkerStatus) -> bool:
    return word.is_about(change.wanted) and word.state.phase == WorkerPhase.WORKER_PHASE_LIVE


def _tell_once(
    told: dict[tuple[DeploymentTarget, str], str],
    change: Change,
    worker: str,
    word: WorkerStatus,
    tell: Callable[[str], None],
) -> None:
    """Raises RefusedByError."""
    if not word.is_about(change.wanted):
        return
    text = phase_word(word.state.phase) + (f": {word.state.detail[:_WORDS]}" if word.state.detail else "")
    if told.get((change.place, worker)) != text:
        told[change.place, worker] = text
        tell(f"{change.place.line} {worker}: {text}")
    if word.state.phase == WorkerPhase.WORKER_PHASE_REFUSED:
        raise RefusedByError(f"{worker} refuses deployment {change.wanted.number}: {word.state.detail}")
