"""Reports to the control topic which deployments this worker serves. Does not decide anything."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from inspector.judging.active_models import DeploymentRef, DeploymentTarget, Slot
from inspector.rollout.control.records import worker_output
from inspector.rollout.shadow import Comparison
from protos.inspection.v1.control_pb2 import WorkerPhase, WorkerState
from streams.log import Log, LogError, Publisher
from streams.records import Output, Topics

log = logging.getLogger("inspector.deploy")

HEARTBEAT_S = 10.0


class _Judging(NamedTuple):
    """The model that judges at a target."""

    number: int = 0
    digest: str = ""
    engine: str = ""


class Reports:
    """One thread uses it. Without a log nothing is reported: a gateway is no worker."""

    def __init__(self, source: Log | None, prefix: str, worker: str, comparison: Comparison) -> None:
        self._log, self._prefix, self._worker, self._comparison = source, prefix, worker, comparison
        self._publisher: Publisher | None = None
        self._last: dict[DeploymentTarget, WorkerState] = {}
        self._judging: dict[DeploymentTarget, _Judging] = {}
        """From the last process under this name, until a model judges in this one."""
        self._reported_s = 0.0

    def restore(self, target: DeploymentTarget, state: WorkerState) -> None:
        """The last report of this worker's predecessor holds until a model judges here."""
        self._judging[target] = _Judging(state.live, state.live_digest, state.engine)

    def report(
        self, target: DeploymentTarget, ref: DeploymentRef, phase: WorkerPhase, detail: str, slot: Slot | None
    ) -> None:
        """`slot` judges there now; None before the first. Repeats the reports on all other targets, as a heartbeat for
        `inspector deploy`, which may wait for them."""
        self._last[target] = WorkerState(
            worker=self._worker,
            recipe=target.recipe,
            deployment=ref.number,
            digest=ref.digest,
            phase=phase,
            detail=detail,
        )
        self._publish([self._output(other, slot if other == target else None) for other in self._last])

    def heartbeat(self, slots: Mapping[DeploymentTarget, Slot]) -> None:
        """Repeats all reports every `HEARTBEAT_S`."""
        if time.monotonic() - self._reported_s >= HEARTBEAT_S:
            self._publish([self._output(target, slots.get(target)) for target in self._last])

    def report_stopped(self) -> None:
        """The reports still name the models that judged last: a restart reads them."""
        for state in self._last.values():
            state.phase = WorkerPhase.WORKER_PHASE_STOPPED
        self._publish([self._output(target, None) for target in self._last])

    def close(self) -> None:
        if self._publisher is not None:
            self._within(self._publisher.close)

    def _output(self, target: DeploymentTarget, slot: Slot | None) -> Output:
        state = self._last[target]
        state.at_ns = time.time_ns()
        if slot is not None:
            self._judging[target] = _Judging(slot.live.number, slot.live.digest, str(slot.live.model.settings))
        state.live, state.live_digest, state.engine = self._judging.get(target, _Judging())
        if slot is not None and slot.trial is not None:
            counts = self._comparison.of(target, slot.trial.placed.number)
            state.shadow_equal, state.shadow_different = counts.equal, counts.different
        return worker_output(Topics(self._prefix, target.line), state)

    def _publish(self, outputs: Sequence[Output]) -> None:
        self._reported_s = time.monotonic()
        if self._log is not None and outputs:
            source = self._log
            self._within(lambda: self._send(source, outputs))

    def _send(self, source: Log, outputs: Sequence[Output]) -> None:
        if self._publisher is None:
            self._publisher = source.publisher()
        self._publisher.publish(outputs)
        self._publisher.flush()

    def _within(self, call: Callable[[], None]) -> None:
        """A report that fails is repeated with the next heartbeat: the line is more important."""
        try:
            call()
        except LogError as exc:
            log.warning(
                "The status of this worker cannot be published (%s): trying again; `inspector deploy` waits for it.",
                exc,
            )
