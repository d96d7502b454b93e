"""Traces that wait for their piece: in order of arrival, by piece, and by their end."""

import numpy as np
import pytest

from streams.decode.items import Origin, Trace
from streams.join.waiting_traces import WaitingTraces
from tests.streams.join.join_rig import P, at_s

Q = P._replace(piece_id="q")


def trace(offset: int, end_s: int, inspection: object = P) -> Trace:
    origin = Origin("signals", 0, offset, at_s(0))
    return Trace(origin, inspection, "press", "trace", at_s(end_s - 1), 10.0, np.zeros((10, 1), np.float32))  # type: ignore[arg-type]


@pytest.fixture
def waiting() -> WaitingTraces:
    traces = WaitingTraces()
    for each in (trace(0, 3), trace(1, 1, Q), trace(2, 2)):
        traces.add(each)
    return traces


def offsets(traces: list[Trace]) -> list[int]:
    return [each.origin.offset for each in traces]


def test_they_come_in_order_of_arrival(waiting: WaitingTraces) -> None:
    assert (offsets(list(waiting)), waiting.oldest.origin.offset, len(waiting)) == ([0, 1, 2], 0, 3)


def test_those_of_a_piece_are_taken_together(waiting: WaitingTraces) -> None:
    assert offsets(waiting.take(P)) == [0, 2]
    assert (waiting.take(P), offsets(list(waiting)), waiting.earliest_end_ns) == ([], [1], at_s(1))


def test_the_ended_ones_are_known_by_their_end(waiting: WaitingTraces) -> None:
    assert [offsets(waiting.ended(at_s(each))) for each in (0, 1, 2, 3)] == [[], [1], [1, 2], [0, 1, 2]]


def test_a_removed_one_waits_no_more(waiting: WaitingTraces) -> None:
    waiting.remove(waiting.oldest)
    waiting.remove(waiting.oldest)
    assert (offsets(waiting.take(P)), waiting.take(Q), waiting.earliest_end_ns, len(waiting)) == ([2], [], None, 0)
