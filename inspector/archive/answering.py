"""A connection to PostgreSQL that waits for an answer only so long.

The server's own limits do not hold while its processes stand still (stopped, swapped out, their disk hangs), nor do
those of TCP: the kernel of such a machine acknowledges what nobody reads.
"""

from collections.abc import Generator
from time import monotonic
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

_INTERVAL_S = 0.1
"""How often a wait looks at the clock."""
Answer = TypeVar("Answer")


class NoAnswerError(psycopg.OperationalError):
    """The server has not answered in time; the connection is closed."""


class AnsweringConnection(psycopg.Connection[TupleRow]):
    """Every wait ends after `patience_s` seconds at most, with NoAnswerError."""

    patience_s = float("inf")

    def wait(self, gen: PQGen[Answer], interval: float = _INTERVAL_S, timeout: float | None = None) -> Answer:
        return super().wait(self._bounded(gen), interval, timeout)

    def _bounded(self, steps: PQGen[Answer]) -> Generator[Wait, Ready | int, Answer]:
        """The same steps, with a look at the clock wherever the server has been quiet for the interval."""
        end_s = monotonic() + self.patience_s
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and monotonic() > end_s:
                    self.pgconn.finish()
                    raise NoAnswerError(f"the server has not answered for {self.patience_s:.3g} s")
                wanted = steps.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
