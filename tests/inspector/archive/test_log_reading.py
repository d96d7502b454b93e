"""A reading of the whole log waits only for records that the log already holds."""

from collections.abc import Sequence

import pytest

from inspector.archive.log_reading import LogReading
from inspector.verdicts.feed import Followed
from streams.log import Gap, Start
from streams.records import Record, TopicPartition

AT = TopicPartition("line.verdicts", 0)


class OneTopic:
    """Gives the offsets up to `end` at the second poll: at the first, the log does not answer."""

    is_away = False
    gaps: Sequence[Gap] = ()

    def __init__(self, start: Start, end: int, waits: list[float]) -> None:
        self._next, self._end, self._waits = 0 if start.earliest else end, end, waits

    def poll(self, timeout_s: float) -> Sequence[Record]:
        self._waits.append(timeout_s)
        self._next = self._end if len(self._waits) > 1 else self._next
        return []

    def position(self) -> dict[TopicPartition, int]:
        return {AT: self._next}

    def identities(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        """Holds nothing."""


@pytest.mark.parametrize(("end", "waits"), [(0, [False]), (3, [True, True])])
def test_nothing_is_waited_for_where_the_end_is_reached(end: int, waits: list[bool]) -> None:
    asked: list[float] = []
    followed = Followed("records", lambda start: OneTopic(start, end, asked), list)
    assert [batch.position for batch in LogReading(followed).batches()] == [{AT: 0}] * (len(waits) - 1) + [{AT: end}]
    assert [timeout_s > 0 for timeout_s in asked] == waits
