"""Turns input records into published verdicts: poll, join, judge, publish, commit. Does not depend on broker or model.

One thread owns source and sink. The next owner rereads uncommitted input; committed pieces are never judged again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from inspector.plausibility.log import DoubtLog
from inspector.recipe.decision import DecisionResult
from inspector.verdicts.blank import blank_verdict
from inspector.verdicts.judge import Judge, NoShadow, ShadowEvaluator, ShadowPair
from inspector.verdicts.records import inspection_id, make_fit, stamp, verdict_output
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.refusal_log import RefusalLog
from inspector.worker.settings import PipelineSettings, StallSettings
from inspector.worker.shards import Shards
from inspector.worker.stall import StallWatch
from inspector.worker.unknown_products import UnknownProductLog
from protos.inspection.v1.verdict_pb2 import DECISION_REASON_ENGINE, DECISION_REVIEW, Verdict
from streams.decode.dead_letters import dead_letter_output
from streams.decode.items import Rejected
from streams.log import Batch, CommitRefusedError, Sink, Source
from streams.log_clock import LogClock
from streams.observation import Observation
from streams.records import Output, Shard
from streams.reminder import Reminder

log = logging.getLogger("inspector.worker.pipeline")

ENDED_WORKERS = DecisionResult(DECISION_REVIEW, DECISION_REASON_ENGINE)
_MAX_ENDED = 2
"""Two ends in a row between the same two commits, milliseconds apart, are no coincidence."""


@dataclass(slots=True)
class Pending:
    """Verdicts, shadow verdicts and dead letters that the next commit publishes."""

    verdicts: list[tuple[Shard, Verdict]] = field(default_factory=list)
    shadows: list[tuple[Shard, ShadowPair]] = field(default_factory=list)
    rejected: list[tuple[Shard, Rejected]] = field(default_factory=list)
    since_s: float | None = None

    def __len__(self) -> int:
        return len(self.verdicts) + len(self.rejected)

    def without(self, is_lost: Callable[[Shard], bool]) -> "Pending":
        kept = Pending(
            [entry for entry in self.verdicts if not is_lost(entry[0])],
            [entry for entry in self.shadows if not is_lost(entry[0])],
            [entry for entry in self.rejected if not is_lost(entry[0])],
        )
        kept.since_s = self.since_s if len(kept) else None
        return kept


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
        self._settings, self._metrics, self._deadline_s = settings, metrics, deadline_s
        self._monotonic, self._clock = monotonic, clock or LogClock()
        self._shadow: ShadowEvaluator = shadow or NoShadow()
        self._pending = Pending()
        self._just_judged: list[tuple[Shard, Sequence[Observation], Sequence[Verdict]]] = []
        self._committed_s = monotonic()
        self._watch = watch or StallWatch(StallSettings(), monotonic())
        self._epoch: object = None
        self._too_large = Reminder[Shard]()
        self._refusals = RefusalLog()
        self._doubts = DoubtLog()
        self._unknown_products = UnknownProductLog()

    def run(self, stop: Event) -> None:
        """Works until `stop` is set, then publishes the verdicts made so far."""
        while not stop.is_set():
            self.step()
        self._shards.note_clean_stop()
        self._commit()

    def step(self) -> None:
        self._watch.doing("polling")
        batch = self._source.poll(self._wait_s())
        self._take_over(batch)
        if batch.records:
            self._clock.read(max(record.append_ns for record in batch.records))
        for read in self._shards.take(batch, self._before_decoding):
            self._work(read)
        paused = self._shards.ahead()
        self._source.pause(paused)
        self._metrics.turn(self._shards, batch)
        self._watch.turn(self._shards, batch, paused, self._monotonic())

    def _before_decoding(self) -> None:
        """Commits every second: if a record ends this process, its successor rereads at most that much."""
        if self._monotonic() - self._committed_s > self._settings.position_interval_s:
            self._commit()
        self._watch.doing("decoding a record")

    def _work(self, read: Batch) -> None:
        """Judges closed pieces and commits; holds none of them when it returns."""
        self._watch.doing("joining")
        for shard, observations in self._shards.advance(read, self._monotonic()):
            self._decide(shard, observations)
        self._run_shadow()
        self._gather_rejected()
        if self._due():
            self._commit()

    def _take_over(self, batch: Batch) -> None:
        """Drops the shards that this worker lost and builds the state of those it gained."""
        self._epoch = batch.epoch
        if batch.lost:
            self._pending = self._pending.without(lambda shard: shard in batch.lost)
            self._shards.drop(batch.lost)
        for assignment in batch.gained:
            self._shards.assign(assignment)

    def _decide(self, shard: Shard, observations: Sequence[Observation]) -> None:
        """Judges in slices and commits after each, so that a backlog is neither held in memory nor judged twice."""
        if self._shards.is_doubtful(shard):
            observations = self._decide_with_care(shard, observations)
        size = self._settings.max_verdicts_per_commit
        for start in range(0, len(observations), size):
            if not self._shards.owns(shard):
                return
            pieces = observations[start : start + size]
            self._watch.doing("judging pieces")
            verdicts = self._judge.judge(pieces)
            self._pending.verdicts += [(shard, verdict) for verdict in verdicts]
            self._just_judged.append((shard, pieces, verdicts))
            self._mark_pending()
            if len(self._pending.verdicts) >= size:
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
        for shard, pieces, verdicts in judged:
            if self._shards.owns(shard):
                self._pending.shadows += [(shard, pair) for pair in self._shadow.judge(pieces, verdicts)]

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
        return full or now_s - self._pending.since_s >= self._settings.commit_delay_s

    def _wait_s(self) -> float:
        if self._pending.since_s is None:
            return self._settings.idle_poll_s
        return max(0.0, self._pending.since_s + self._settings.commit_delay_s - self._monotonic())

    def _commit(self) -> None:
        """Publishes results and positions together; if that fails, the next owner rereads the same input."""
        self._run_shadow()
        self._gather_rejected()
        pending, self._pending = self._pending, Pending()
        outputs = self._outputs(pending)
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
            self._shards.clear()
            return
        self._watch.committed()
        self._shards.committed(positions, ends)
        verdicts = [verdict for _, verdict in pending.verdicts]
        self._metrics.committed(verdicts, self._monotonic() - started_s)
        self._doubts.write(verdicts, self._monotonic())
        self._unknown_products.write(verdicts, self._monotonic())
        self._metrics.dead_lettered(pending.rejected)
        self._shadow.published([pair for _, pair in pending.shadows])

    def _outputs(self, pending: Pending) -> list[Output]:
        """The records of a commit; settles their pieces in the positions committed with them."""
        publish_ns = self._clock.now_ns()
        outputs = []
        for shard, verdict in pending.verdicts:
            stamp(verdict, publish_ns, self._deadline_s(verdict))
            self._shards.settle(shard, inspection_id(verdict.inspection))
            outputs.append(self._verdict_output(shard, verdict))
        for shard, (_, shadow) in pending.shadows:
            stamp(shadow, publish_ns, self._deadline_s(shadow))
            outputs.append(self._verdict_output(shard, shadow))
        return outputs + [dead_letter_output(self._shards.topics(shard), item) for shard, item in pending.rejected]

    def _verdict_output(self, shard: Shard, verdict: Verdict) -> Output:
        topics, limit = self._shards.topics(shard), self._settings.max_record_bytes
        output = verdict_output(topics, shard, verdict)
        if (size := len(output.value)) <= limit:
            return output
        left_out = ", ".join(make_fit(verdict, limit))
        self._too_large.add(shard, verdict.inspection.piece_id, f"{size} bytes, published without {left_out}")
        for (line, partition), many in self._too_large.due(self._monotonic()):
            log.error(
                "Line %s, partition %d: %d verdicts were larger than max_record_bytes = %d and lost heat maps (last: "
                "piece %s, %s). To do: raise max_record_bytes in the configuration and the brokers' message.max.bytes.",
                *(line, partition, many.count, limit, many.names[-1], many.words),
            )
        return verdict_output(topics, shard, verdict)
