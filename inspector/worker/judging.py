"""Hands closed pieces to the judge and takes its verdicts back: at once, or from a thread next to the main loop."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from inspector.verdicts.judge import Judge
from inspector.worker.stall import StallWatch
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation
from streams.records import Shard

_END_S = 5.0
"""How long a closing main loop waits for the pieces that are being judged; their verdicts are dropped."""


@dataclass(slots=True, eq=False)
class Task:
    """Pieces of one shard, and their verdicts once they are judged."""

    shard: Shard
    pieces: Sequence[Observation]
    verdicts: Sequence[Verdict] = ()
    is_lost: bool = False
    """Whether another worker owns the shard since the pieces were handed over."""


class Judging(Protocol):
    """Turns the pieces of each shard into verdicts in their order. The main loop alone calls it."""

    num_pieces: int
    """Pieces that were handed over and are not back yet."""

    def has_room_for(self, num_pieces: int) -> bool:
        """Whether so many more may be handed over; any number may while none is under way."""

    def hand_over(self, task: Task) -> None: ...

    def finished(self) -> list[Task]:
        """Those judged since the last call. Leaves out shards that were lost. Raises what the judge raised."""

    def wait(self, most_s: float) -> None:
        """Returns when something is finished, at the latest after `most_s`."""

    def drop(self, lost: AbstractSet[Shard]) -> None:
        """Forgets the pieces of lost shards."""

    def close(self) -> None: ...


class JudgingInPlace:
    """Judges within `hand_over`: for a worker with one core."""

    num_pieces = 0

    def __init__(self, judge: Judge, watch: StallWatch) -> None:
        self._judge, self._watch = judge, watch
        self._finished: list[Task] = []

    def has_room_for(self, num_pieces: int) -> bool:
        return True

    def hand_over(self, task: Task) -> None:
        self._watch.doing("judging pieces")
        task.verdicts = self._judge.judge(task.pieces)
        self._finished.append(task)

    def finished(self) -> list[Task]:
        finished, self._finished = self._finished, []
        return finished

    def wait(self, most_s: float) -> None:
        """Nothing is under way."""

    def drop(self, lost: AbstractSet[Shard]) -> None:
        self._finished = [task for task in self._finished if task.shard not in lost]

    def close(self) -> None:
        """Nothing is under way."""


class JudgingThread:
    """Judges on a thread of its own while the main loop reads, decodes, joins and commits.

    At most `max_pieces` are under way. The judge gets up to half of them at once, so that more are ready when it is
    done.
    """

    def __init__(self, judge: Judge, watch: StallWatch, max_pieces: int) -> None:
        self.num_pieces = 0
        self._judge, self._watch, self._max_pieces = judge, watch, max_pieces
        self._changed = threading.Condition()
        self._waiting: deque[Task] = deque()
        self._begun: Sequence[Task] = ()
        self._finished: list[Task] = []
        self._error: BaseException | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def has_room_for(self, num_pieces: int) -> bool:
        return self.num_pieces == 0 or self.num_pieces + num_pieces <= self._max_pieces

    def hand_over(self, task: Task) -> None:
        self.num_pieces += len(task.pieces)
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="judging", daemon=True)
            self._thread.start()

    def finished(self) -> list[Task]:
        if self.num_pieces == 0:
            return []
        with self._changed:
            if self._error is not None:
                raise self._error
            finished, self._finished = self._finished, []
        self.num_pieces -= sum(len(task.pieces) for task in finished)
        return [task for task in finished if not task.is_lost]

    def wait(self, most_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._error, most_s)

    def drop(self, lost: AbstractSet[Shard]) -> None:
        with self._changed:
            for task in (*self._finished, *self._begun):
                task.is_lost = task.is_lost or task.shard in lost
            dropped = [task for task in self._waiting if task.shard in lost]
            self._waiting = deque(task for task in self._waiting if task.shard not in lost)
        self.num_pieces -= sum(len(task.pieces) for task in dropped)

    def close(self) -> None:
        """Ends the thread after the pieces that it judges now, unless they take too long."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        while tasks := self._next():
            pieces = [piece for task in tasks for piece in task.pieces]
            self._watch.judging(len(pieces))
            try:
                verdicts = iter(self._judge.judge(pieces))
                for task in tasks:
                    task.verdicts = [next(verdicts) for _ in task.pieces]
            except BaseException as exc:  # noqa: BLE001 - raised again in the main loop
                self._end((), exc)
                return
            self._watch.judging(0)
            self._end(tasks)

    def _next(self) -> Sequence[Task]:
        """The tasks that are judged together; none when the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._waiting)
            self._begun = () if self._is_closed else list(self._together())
            return self._begun

    def _together(self) -> Iterator[Task]:
        """The first task and the next ones of its shard. Call with the lock held."""
        shard, room = self._waiting[0].shard, max(len(self._waiting[0].pieces), self._max_pieces // 2)
        for task in [task for task in self._waiting if task.shard == shard]:
            room -= len(task.pieces)
            if room < 0:
                return
            self._waiting.remove(task)
            yield task

    def _end(self, tasks: Sequence[Task], error: BaseException | None = None) -> None:
        with self._changed:
            self._begun, self._error = (), error
            self._finished += tasks
            self._changed.notify_all()
