"""Turns what the main loop did in each turn into findings about input and pieces that make no progress.

Time is counted in turns of at most five seconds: a process that was suspended has not stood still.
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
"""A partition that waits while others have a backlog may wait this many times longer: they take turns."""

_REFUSALS = 3
"""One refused commit is what every rebalance may bring."""


@dataclass(slots=True)
class _Input:
    """How long an input partition has been unread without giving a record."""

    age_s: float = 0.0
    waited_s: float = 0.0
    """Of these, how long no other partition had a backlog that was read in its place."""


@dataclass(slots=True)
class _First:
    """How long, with all input read, the same piece has been the first open one of its station."""

    piece: InspectionId
    waited_s: float = 0.0


@dataclass(slots=True)
class _Turn:
    """What a turn gave, in the terms that matter here."""

    batch: Batch
    paused: AbstractSet[TopicPartition]
    span_s: float
    given: frozenset[TopicPartition] = field(init=False)

    def __post_init__(self) -> None:
        self.given = frozenset(TopicPartition(record.topic, record.partition) for record in self.batch.records)

    @property
    def others_have_backlog(self) -> bool:
        return bool(self.given & self.batch.unread)


class StallWatch:
    """The main loop reports to it; `findings` and `stage` may be read from any thread."""

    def __init__(self, settings: StallSettings, now_s: float) -> None:
        self.settings = settings
        self.findings: tuple[str, ...] = ()
        """What stands still, one clause each, as of the last turn."""
        self.stage = ("waiting for the log of records, or opening the models, to start with", 0)
        """What the loop is doing, with a number that grows with every step."""
        self._now_s = now_s
        self._inputs: dict[TopicPartition, _Input] = {}
        self._first: dict[tuple[Shard, str], _First] = {}
        self._obstacle_s = 0.0
        self._uncommitted_s = 0.0
        self._refused = 0

    def doing(self, what: str) -> None:
        """The loop begins another step: polling, decoding a record, judging a slice, committing."""
        self.stage = (what, self.stage[1] + 1)

    def committed(self) -> None:
        """A commit was made, or there was nothing to commit."""
        self._uncommitted_s, self._refused = 0.0, 0

    def refused(self) -> None:
        """A commit was refused: the shards are given up, and come back here or elsewhere."""
        self._refused += 1

    def turn(self, shards: Shards, batch: Batch, paused: AbstractSet[TopicPartition], now_s: float) -> None:
        """A turn of the loop has ended; `paused` partitions are not to be read before others."""
        turn = _Turn(batch, paused, min(now_s - self._now_s, _MAX_TURN_S))
        self._now_s = now_s
        self._note_obstacle(turn)
        joins = dict(shards)
        self._forget(joins)
        for shard, join in joins.items():
            for at in join.inputs:
                self._note_input(at, join, turn)
            self._note_pieces(shard, join, turn)
        self.findings = tuple(self._find(turn, joins))

    def _note_obstacle(self, turn: _Turn) -> None:
        if turn.batch.connection_problem:
            self._obstacle_s += turn.span_s
        elif not turn.batch.lost:
            self._obstacle_s = 0.0
        self._uncommitted_s += turn.span_s

    def _forget(self, joins: dict[Shard, Join]) -> None:
        kept = {at for join in joins.values() for at in join.inputs}
        self._inputs = {at: each for at, each in self._inputs.items() if at in kept}
        self._first = {key: each for key, each in self._first.items() if key[0] in joins}

    def _note_input(self, at: TopicPartition, join: Join, turn: _Turn) -> None:
        waits_its_turn = at in turn.paused and turn.given & join.inputs
        if at not in turn.batch.unread or at in turn.given or waits_its_turn or turn.batch.connection_problem:
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
        if self._obstacle_s > after_s:
            yield f"nothing can be read for {self._obstacle_s:.0f} s, because {turn.batch.connection_problem}"
        if self._refused >= _REFUSALS and self._uncommitted_s > after_s:
            yield f"the last {self._refused} commits were refused, and none was made for {self._uncommitted_s:.0f} s"
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
                f"line {shard.line}: {at.topic}, partition {at.partition}, holds {unread} and has given none "
                f"for {known.age_s:.0f} s, with {join.num_open} pieces open"
            )

    def _overdue(self, shard: Shard, join: Join, first: _First) -> Iterator[str]:
        if first.waited_s > self.settings.after_s + self.settings.max_wait_s:
            yield (
                f"line {shard.line}, partition {shard.partition}: all input is read, and piece {first.piece.piece_id} "
                f"of station {first.piece.station} has not closed for {first.waited_s:.0f} s, with {join.num_open} "
                "pieces open"
            )
