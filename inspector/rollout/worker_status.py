"""Tells the control topic how far this worker is with what was deployed, again and again. Decides nothing."""

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

SIGN_OF_LIFE_S = 10.0


class _Judging(NamedTuple):
    """What judges at a place."""

    number: int = 0
    digest: str = ""
    engine: str = ""


class Reports:
    """One thread uses it. Without a log (a gateway is no worker) nothing is told."""

    def __init__(self, source: Log | None, prefix: str, worker: str, comparison: Comparison) -> None:
        self._log, self._prefix, self._worker, self._comparison = source, prefix, worker, comparison
        self._publisher: Publisher | None = None
        self._last: dict[DeploymentTarget, WorkerState] = {}
        self._judging: dict[DeploymentTarget, _Judging] = {}
        """Of the last process under this name, as long as nothing judges in this one."""
        self._told_s = 0.0

    def restore(self, place: DeploymentTarget, state: WorkerState) -> None:
        """What this worker's predecessor said last is true until something judges here."""
        self._judging[place] = _Judging(state.live, state.live_digest, state.engine)

    def say(
        self, place: DeploymentTarget, of: DeploymentRef, phase: WorkerPhase, detail: str, post: Slot | None
    ) -> None:
        """`post`: what judges there now; None where nothing does yet. Repeats the words on all other places: whoever
        waits for them must see that this worker lives."""
        self._last[place] = WorkerState(
            worker=self._worker,
            recipe=place.recipe,
            deployment=of.number,
            digest=of.digest,
            phase=phase,
            detail=detail,
        )
        self._publish([self._output(each, post if each == place else None) for each in self._last])

    def heartbeat(self, posts: Mapping[DeploymentTarget, Slot]) -> None:
        """Repeats all, when it is time."""
        if time.monotonic() - self._told_s >= SIGN_OF_LIFE_S:
            self._publish([self._output(place, posts.get(place)) for place in self._last])

    def report_stopped(self) -> None:
        """What judged last stays told: a restart asks for it."""
        for state in self._last.values():
            state.phase = WorkerPhase.WORKER_PHASE_STOPPED
        self._publish([self._output(place, None) for place in self._last])

    def close(self) -> None:
        if self._publisher is not None:
            self._within(self._publisher.close)

    def _output(self, place: DeploymentTarget, post: Slot | None) -> Output:
        state = self._last[place]
        state.at_ns = time.time_ns()
        if post is not None:
            self._judging[place] = _Judging(post.live.number, post.live.digest, str(post.live.model.settings))
        state.live, state.live_digest, state.engine = self._judging.get(place, _Judging())
        if post is not None and post.trial is not None:
            counts = self._comparison.of(place, post.trial.placed.number)
            state.shadow_equal, state.shadow_different = counts.equal, counts.different
        return worker_output(Topics(self._prefix, place.line), state)

    def _publish(self, outputs: Sequence[Output]) -> None:
        self._told_s = time.monotonic()
        if self._log is not None and outputs:
            source = self._log
            self._within(lambda: self._sent(source, outputs))

    def _sent(self, source: Log, outputs: Sequence[Output]) -> None:
        if self._publisher is None:
            self._publisher = source.publisher()
        self._publisher.publish(outputs)
        self._publisher.flush()

    def _within(self, call: Callable[[], None]) -> None:
        """What cannot be told now is told with the next sign of life: the line is more important."""
        try:
            call()
        except LogError as exc:
            log.warning("How far this worker is cannot be told (%s): it tries again.", exc)
