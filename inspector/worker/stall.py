"""Detects input and pieces without progress from the turns of the main loop.

A turn counts for at most five seconds, so that a suspended process is not reported as stalled.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from inspector.worker.settings import StallSettings
from inspector.worker.shards import Shards
from streams.join.join import Join
from streams.log import Batch
from streams.observation import InspectionId
from streams.records import Shard, TopicPartition

_MAX_TURN_S = 5.0
_PATIENCE = 10
"""While others have a backlog a partition may wait this many times longer: they take turns."""

_REFUSALS = 3
"""A single refused commit is normal in a rebalance."""


@dataclass(slots=True)
class _Input:
    """How long an input partition has had unread records without delivering one."""

    age_s: float = 0.0
    waited_s: float = 0.0
    """The part of it in which no other partition had a backlog."""


@dataclass(slots=True)
class _First:
    """How long the same piece has been the oldest open one of its station although all input is read."""

    piece: InspectionId
    waited_s: float = 0.0


@dataclass(slots=True)
class _Turn:
    """The facts about a turn that matter here."""

    batch: Batch
    paused: AbstractSet[TopicPartition]
    span_s: float
    delivered: frozenset[TopicPartition] = field(init=False)

    def __post_init__(self) -> None:
        self.delivered = frozenset(TopicPartition(record.topic, record.partition) for record in self.batch.records)

    @property
    def others_have_backlog(self) -> bool:
        return bool(self.delivered & self.batch.unread)


class StallWatch:
    """The main loop reports to it; `findings` and `stage` may be read from any thread."""

    def __init__(self, settings: StallSettings, now_s: float) -> None:
        self.settings = settings
        self.findings: tuple[str, ...] = ()
        """Everything that was stalled at the last turn, one clause each."""
        self.stage = ("starting (opening the log of records and the models)", 0)
        """The current step of the loop, and a number that grows with every step."""
        self.judging_stage = ("", 0)
        """The same of the thread that judges; empty while it has nothing to do."""
        self._now_s = now_s
        self._inputs: dict[TopicPartition, _Input] = {}
        self._first: dict[tuple[Shard, str], _First] = {}
        self._problem_s = 0.0
        self._uncommitted_s = 0.0
        self._refused = 0

    def doing(self, step: str) -> None:
        """The loop begins another step: polling, decoding a record, judging pieces, committing."""
        self.stage = (step, self.stage[1] + 1)

    def judging(self, num_pieces: int) -> None:
        """The judging thread begins with so many pieces; none: it has ended them. The loop continues meanwhile."""
        self.judging_stage = (f"judging {num_pieces} pieces" if num_pieces else "", self.judging_stage[1] + 1)

    def committed(self) -> None:
        """A commit succeeded, or there was nothing to commit."""
        self._uncommitted_s, self._refused = 0.0, 0

    def refused(self) -> None:
        """A commit was refused: the shards are released and assigned again, here or elsewhere."""
        self._refused += 1

    def turn(self, shards: Shards, batch: Batch, paused: AbstractSet[TopicPartition], now_s: float) -> None:
        """A turn of the loop has ended; `paused` partitions wait for others to be read first."""
        turn = _Turn(batch, paused, min(now_s - self._now_s, _MAX_TURN_S))
        self._now_s = now_s
        self._note_problem(turn)
        joins = dict(shards)
        self._forget(joins)
        for shard, join in joins.items():
            for at in join.inputs:
                self._note_input(at, join, turn)
            self._note_pieces(shard, join, turn)
        self.findings = tuple(self._find(turn, joins))

    def _note_problem(self, turn: _Turn) -> None:
        if turn.batch.connection_problem:
            self._problem_s += turn.span_s
        elif not turn.batch.lost:
            self._problem_s = 0.0
        self._uncommitted_s += turn.span_s

    def _forget(self, joins: dict[Shard, Join]) -> None:
        kept = {at for join in joins.values() for at in join.inputs}
        self._inputs = {at: state for at, state in self._inputs.items() if at in kept}
        self._first = {key: first for key, first in self._first.items() if key[0] in joins}

    def _note_input(self, at: TopicPartition, join: Join, turn: _Turn) -> None:
        waits_its_turn = at in turn.paused and turn.delivered & join.inputs
        if at not in turn.batch.unread or at in turn.delivered or waits_its_turn or turn.batch.connection_problem:
            self._inputs[at] = _Input()
            return
        known = self._inputs.setdefault(at, _Input())
        known.age_s += turn.span_s
        known.waited_s += 0.0 if turn.others_have_backlog else turn.span_s

    def _note_pieces(self, shard: Shard, join: Join, turn: _Turn) -> None:
        before = {station: self._first.pop((shard, station)) for of, station in list(self._first) if of == shard}
        for station, piece in join.first_open.items():
            known = before.get(station)
            if known is None or known.piece != piece or turn.batch.connection_problem:
                known = _First(piece)
            elif not turn.batch.unread & join.inputs:
                known.waited_s += turn.span_s
            self._first[shard, station] = known

    def _find(self, turn: _Turn, joins: dict[Shard, Join]) -> Iterator[str]:
        after_s = self.settings.after_s
        if self._problem_s > after_s:
            yield f"no input could be read for {self._problem_s:.0f} s, because {turn.batch.connection_problem}"
        if self._refused >= _REFUSALS and self._uncommitted_s > after_s:
            yield f"the last {self._refused} commits were refused, and none succeeded for {self._uncommitted_s:.0f} s"
        for shard, join in joins.items():
            for at in sorted(join.inputs):
                yield from self._unread(at, shard, join, turn.batch.lag.get(at))
        for (shard, _), first in self._first.items():
            yield from self._overdue(shard, joins[shard], first)

    def _unread(self, at: TopicPartition, shard: Shard, join: Join, lag: int | None) -> Iterator[str]:
        known = self._inputs[at]
        if known.waited_s > self.settings.after_s or known.age_s > _PATIENCE * self.settings.after_s:
            unread = "unread records" if lag is None else f"{lag} unread records"
            yield (
                f"line {shard.line}: {at.topic}, partition {at.partition}, holds {unread} but delivered none for "
                f"{known.age_s:.0f} s; {join.num_open} pieces are open"
            )

    def _overdue(self, shard: Shard, join: Join, first: _First) -> Iterator[str]:
        if first.waited_s > self.settings.after_s + self.settings.max_wait_s:
            yield (
                f"line {shard.line}, partition {shard.partition}: all input is read, but piece {first.piece.piece_id} "
                f"of station {first.piece.station} has not closed for {first.waited_s:.0f} s; {join.num_open} pieces "
                "are open"
            )
