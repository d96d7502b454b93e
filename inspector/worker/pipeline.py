"""Turns input records into published verdicts: poll, join, judge, publish, commit. Does not depend on broker or model.

One thread owns source and sink; with several cores, another one judges. The next owner rereads uncommitted input;
committed pieces are never judged again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from threading import Event

from inspector.plausibility.log import DoubtLog
from inspector.recipe.decision import DecisionResult
from inspector.verdicts.blank import blank_verdict
from inspector.verdicts.judge import Judge, NoShadow, ShadowEvaluator
from inspector.worker.judging import Judging, JudgingInPlace, JudgingThread, Task
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.outputs import Outputs, Pending
from inspector.worker.refusal_log import RefusalLog
from inspector.worker.settings import PipelineSettings, StallSettings
from inspector.worker.shards import Shards
from inspector.worker.stall import StallWatch
from inspector.worker.unknown_products import UnknownProductLog
from protos.inspection.v1.verdict_pb2 import DECISION_REASON_ENGINE, DECISION_REVIEW, Verdict
from streams.log import Batch, CommitRefusedError, Sink, Source
from streams.log_clock import LogClock
from streams.observation import Observation
from streams.records import Shard

log = logging.getLogger("inspector.worker.pipeline")

ENDED_WORKERS = DecisionResult(DECISION_REVIEW, DECISION_REASON_ENGINE)
_WAITING = "waiting for pieces that are being judged"
_WAIT_S = 1.0
_JUDGING_POLL_S = 0.005
"""Longest wait for records while verdicts may come."""
_REST = 2
"""Commits take at most a third of the time, as long as `max_commit_delay_s` allows: a machine at its limit then gets
more verdicts into each, and fewer of them."""
_MAX_ENDED = 2
"""Two ends in a row between the same two commits, milliseconds apart, are no coincidence."""


class Pipeline:
    """The main loop of a worker. `step` is one turn of it."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        shards: Shards,
        judge: Judge,
        settings: PipelineSettings,
        metrics: WorkerMetrics,
        deadline_s: Callable[[Verdict], float | None],
        *,
        shadow: ShadowEvaluator | None = None,
        watch: StallWatch | None = None,
        clock: LogClock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._sink, self._shards, self._judge = source, sink, shards, judge
        self._settings, self._metrics = settings, metrics
        self._outputs = Outputs(shards, settings.max_record_bytes, deadline_s)
        self._monotonic, self._clock = monotonic, clock or LogClock()
        self._shadow: ShadowEvaluator = shadow or NoShadow()
        self._pending = Pending()
        self._just_judged: list[Task] = []
        self._committed_s = self._polled_s = monotonic()
        self._last_commit_s = 0.0
        self._watch = watch or StallWatch(StallSettings(), monotonic())
        self._judging: Judging = (
            JudgingThread(judge, self._watch, settings.max_verdicts_per_commit)
            if settings.cores > 1
            else JudgingInPlace(judge, self._watch)
        )
        self._epoch: object = None
        self._refusals = RefusalLog()
        self._doubts = DoubtLog()
        self._unknown_products = UnknownProductLog()

    def run(self, stop: Event) -> None:
        """Works until `stop` is set, then publishes the verdicts of all closed pieces."""
        with closing(self):
            while not stop.is_set():
                self.step()
            self.finish()

    def finish(self) -> None:
        """The clean end of this worker."""
        self._await_verdicts()
        self._shards.note_clean_stop()
        self._commit()

    def close(self) -> None:
        self._judging.close()

    def step(self) -> None:
        self._watch.doing("polling")
        self._gather()
        batch = self._source.poll(self._wait_s())
        self._polled_s = self._monotonic()
        self._take_over(batch)
        if batch.records:
            self._clock.read(max(record.append_ns for record in batch.records))
        for read in self._shards.take(batch, self._before_decoding):
            self._work(read)
            if read is not batch:  # memory is full: what is being judged must be out of it
                self._await_verdicts()
        paused = self._shards.ahead()
        self._source.pause(paused)
        self._metrics.turn(self._shards, batch)
        self._watch.turn(self._shards, batch, paused, self._monotonic())

    def _gather(self) -> None:
        """Lets records come together while pieces are judged: a turn and a run of a graph have fixed costs."""
        turn_s = self._settings.turn_s
        if self._settings.cores > 1 and (wait_s := self._polled_s + turn_s - self._monotonic()) > 0:
            time.sleep(min(wait_s, turn_s))

    def _before_decoding(self) -> None:
        """Commits every second: if a record ends this process, its successor rereads at most that much."""
        self._collect()
        if self._monotonic() - self._committed_s > self._settings.position_interval_s:
            self._commit()
        self._watch.doing("decoding a record")

    def _work(self, read: Batch) -> None:
        """Has closed pieces judged, and commits."""
        self._watch.doing("joining")
        for shard, observations in self._shards.advance(read, self._monotonic()):
            self._decide(shard, observations)
        self._collect()
        self._run_shadow()
        self._gather_rejected()
        if self._due():
            self._commit()

    def _take_over(self, batch: Batch) -> None:
        """Drops the shards that this worker lost and builds the state of those it gained."""
        self._epoch = batch.epoch
        if batch.lost:
            self._pending = self._pending.without(lambda shard: shard in batch.lost)
            self._drop(batch.lost)
        for assignment in batch.gained:
            self._shards.assign(assignment)

    def _drop(self, lost: AbstractSet[Shard]) -> None:
        self._judging.drop(lost)
        self._shards.drop(lost)

    def _decide(self, shard: Shard, observations: Sequence[Observation]) -> None:
        """Hands over in slices and commits meanwhile, so that a backlog is neither held in memory nor judged twice."""
        if self._shards.is_doubtful(shard):
            self._await_verdicts()
            observations = self._decide_with_care(shard, observations)
        size = self._settings.max_verdicts_per_commit
        for start in range(0, len(observations), size):
            pieces = observations[start : start + size]
            self._await_room(len(pieces))
            if not self._shards.owns(shard):
                return
            self._shards.lend(shard, pieces)
            self._judging.hand_over(Task(shard, pieces))
            self._collect()

    def _await_room(self, num_pieces: int) -> None:
        while not self._judging.has_room_for(num_pieces):
            self._await_verdict()

    def _await_verdicts(self) -> None:
        """Until no piece is being judged."""
        while self._judging.num_pieces:
            self._await_verdict()

    def _await_verdict(self) -> None:
        """The step in which the loop waits does not change while nothing is finished: the watchdog counts it."""
        if self._watch.stage[0] != _WAITING:
            self._watch.doing(_WAITING)
        self._judging.wait(_WAIT_S)
        self._collect()

    def _collect(self) -> None:
        """Takes the verdicts that are ready, and commits when there are many."""
        for task in self._judging.finished():
            if not self._shards.owns(task.shard):  # a commit of this loop was refused
                continue
            self._shards.take_back(task.shard, task.pieces)
            self._pending.verdicts += [(task.shard, verdict) for verdict in task.verdicts]
            self._just_judged.append(task)
            self._mark_pending()
            if len(self._pending.verdicts) >= self._settings.max_verdicts_per_commit:
                self._commit()

    def _decide_with_care(self, shard: Shard, observations: Sequence[Observation]) -> Sequence[Observation]:
        """For shards whose earlier owners may have crashed while judging: one piece at a time, each announced by a
        commit, without shadow. Skips a piece at which two owners ended. Returns the pieces left once the shard is safe
        again."""
        for number, piece in enumerate(observations):
            if not self._shards.is_doubtful(shard):
                return observations[number:]
            ended = self._shards.begin_judging(shard, piece.inspection)
            if ended < _MAX_ENDED:
                self._commit()
                self._watch.doing("judging a piece that may crash the worker")
                verdicts = self._judge.judge([piece]) if self._shards.owns(shard) else []
            else:
                log.error(
                    "Piece %s gets REVIEW without being judged, because %d workers ended while judging it. To do: "
                    "inspect the piece by hand, and look in the logs of those workers for the reason of their end.",
                    piece.inspection,
                    ended,
                )
                verdicts = [blank_verdict(piece, None, ENDED_WORKERS)]
            self._pending.verdicts += [(shard, verdict) for verdict in verdicts]
            self._commit()
        return ()

    def _run_shadow(self) -> None:
        """Runs after all verdicts of a turn, while the commit waits for more of them."""
        judged, self._just_judged = self._just_judged, []
        self._watch.doing("running shadow models")
        for task in judged:
            if self._shards.owns(task.shard):
                pairs = self._shadow.judge(task.pieces, task.verdicts)
                self._pending.shadows += [(task.shard, pair) for pair in pairs]

    def _gather_rejected(self) -> None:
        rejected = self._shards.rejected()
        self._refusals.write(rejected, self._monotonic())
        if rejected:
            self._pending.rejected += rejected
            self._mark_pending()

    def _mark_pending(self) -> None:
        if self._pending.since_s is None:
            self._pending.since_s = self._monotonic()

    def _due(self) -> bool:
        now_s = self._monotonic()
        if self._pending.since_s is None:
            return now_s - self._committed_s >= self._settings.position_interval_s
        full = len(self._pending) >= self._settings.max_verdicts_per_commit
        return full or now_s - self._pending.since_s >= self._delay_s

    def _wait_s(self) -> float:
        longest_s = _JUDGING_POLL_S if self._judging.num_pieces else self._settings.idle_poll_s
        if self._pending.since_s is None:
            return longest_s
        return min(longest_s, max(0.0, self._pending.since_s + self._delay_s - self._monotonic()))

    @property
    def _delay_s(self) -> float:
        """How long a commit waits for further verdicts."""
        least_s = self._settings.commit_delay_s
        return max(least_s, min(_REST * self._last_commit_s, self._settings.max_commit_delay_s))

    def _commit(self) -> None:
        """Publishes results and positions together; if that fails, the next owner rereads the same input."""
        self._run_shadow()
        self._gather_rejected()
        pending, self._pending = self._pending, Pending()
        outputs = self._outputs.of(pending, self._clock.now_ns(), self._monotonic())
        positions = self._shards.positions()
        started_s = self._committed_s = self._monotonic()
        if not outputs and not self._shards.moved(positions):
            self._watch.committed()
            return
        self._watch.doing("committing")
        try:
            ends = self._sink.commit(outputs, positions, self._epoch)
        except CommitRefusedError as refused:
            log.warning(
                "Lost the partitions to another worker (%s): discarded %d uncommitted results, which it will "
                "recompute. Normal when workers start or stop; if it repeats, check that no two workers share a name.",
                refused,
                len(outputs),
            )
            self._metrics.refused.inc()
            self._watch.refused()
            self._drop(self._shards.all())
            return
        self._watch.committed()
        self._shards.committed(positions, ends)
        verdicts = [verdict for _, verdict in pending.verdicts]
        self._last_commit_s = self._monotonic() - started_s
        self._metrics.committed(verdicts, self._last_commit_s)
        self._doubts.write(verdicts, self._monotonic())
        self._unknown_products.write(verdicts, self._monotonic())
        self._metrics.dead_lettered(pending.rejected)
        self._shadow.published([pair for _, pair in pending.shadows])
