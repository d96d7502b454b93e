"""Pieces come when they are due, whatever the judge does, and wait from that moment on."""

from collections.abc import Callable, Sequence

import pytest

from inspector.benchmark.load_generator import Clock, Load, LoadResult, offer
from streams.observation import Observation
from tests.bundles import piece

PIECES = [piece(piece_id="a"), piece(piece_id="b"), piece(piece_id="c")]


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.clock = Clock(lambda: self.now_s, self.sleep, lambda: self.now_s / 4)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def offered(load: Load, cost_s: Callable[[int, int], float]) -> tuple[LoadResult, list[list[str]]]:
    """`cost_s` gives the cost of a call from its number and its pieces."""
    fake, calls = FakeTime(), list[list[str]]()

    def judge(pieces: Sequence[Observation]) -> None:
        fake.now_s += cost_s(len(calls), len(pieces))
        calls.append([piece.inspection.piece_id for piece in pieces])

    return offer(judge, PIECES, load, fake.clock), calls


def test_a_fast_judge_gets_pieces_one_by_one_when_they_are_due() -> None:
    result, calls = offered(Load(rate=10, seconds=0.5), lambda *_: 0.001)
    assert calls == [["a"], ["b"], ["c"], ["a"], ["b"]]
    assert result.latencies_s == pytest.approx([0.001] * 5, abs=2e-4)
    assert (result.num_left, result.num_judged) == (0, 5)
    assert result.achieved_rate == pytest.approx(10, rel=1e-3)


def test_pieces_that_had_to_queue_count_from_when_they_were_due() -> None:
    """A stall of 350 ms delays four pieces, not the one that met it."""
    result, calls = offered(Load(rate=10, seconds=0.6), lambda number, _: 0.0 if number else 0.35)
    assert [len(call) for call in calls] == [1, 3, 1, 1]
    assert result.latencies_s == pytest.approx([0.35, 0.25, 0.15, 0.05, 0, 0], abs=1e-3)
    assert result.latency_ms(50) == pytest.approx(100, abs=1)


def test_an_overloaded_judge_is_given_up_and_what_waits_still_counts() -> None:
    result, _ = offered(Load(rate=10, seconds=1, max_pieces=1), lambda *_: 0.5)
    assert (result.num_judged, result.num_left) == (3, 7)
    assert result.elapsed_s == pytest.approx(1.5)
    assert result.achieved_rate == pytest.approx(2)
    assert result.latencies_s == pytest.approx([0.5, 0.9, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6])


def test_a_call_takes_no_more_pieces_than_a_worker_hands_over() -> None:
    result, _ = offered(Load(rate=1000, seconds=0.2, max_pieces=50), lambda number, _: 0.0 if number else 0.1505)
    assert list(result.batches)[:4] == [1, 50, 50, 50]
    assert result.num_left == 0


def test_processor_time_is_of_the_whole_run() -> None:
    result, _ = offered(Load(rate=10, seconds=0.5), lambda *_: 0.1)
    assert result.cpu_s == pytest.approx(0.5 / 4)
