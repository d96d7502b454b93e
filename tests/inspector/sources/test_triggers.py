"""When a piece is there."""

import io
import itertools
import logging
import os
import threading

import pytest

from inspector.sources.triggers import MAX_WAITING, Numbered, at_rhythm, from_lines


def test_lines_name_the_piece_and_its_product_and_empty_ones_are_numbered() -> None:
    lines = io.StringIO("P-1\n\nP-2 cup large\n")
    found = list(from_lines(lines, threading.Event(), Numbered("n")))
    assert [(trigger.piece_id, trigger.product) for trigger in found] == [
        ("P-1", ""),
        ("n-000001", ""),
        ("P-2", "cup large"),
    ]
    assert [trigger.at_ns for trigger in found] == sorted(trigger.at_ns for trigger in found)


def test_a_stop_ends_the_wait_for_lines() -> None:
    reads, writes = os.pipe()
    stop = threading.Event()
    with os.fdopen(reads) as stream, os.fdopen(writes, "w") as writer:
        triggers = from_lines(stream, stop, Numbered())
        writer.write("P-1\n")
        writer.flush()
        assert next(triggers).piece_id == "P-1"
        stop.set()
        assert list(triggers) == []


def test_lines_that_nobody_serves_stay_in_the_pipe() -> None:
    """The bound: the reader takes no more than the queue holds, and the one that it holds in its hand."""
    text = io.StringIO("x\n" * (MAX_WAITING + 50))
    triggers = from_lines(text, threading.Event(), Numbered())
    next(triggers)
    assert text.tell() <= 2 * (MAX_WAITING + 3)
    assert len(list(triggers)) == MAX_WAITING + 49


class SlowClock:
    """Each look at it takes a moment."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def test_moments_that_pass_meanwhile_are_left_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = list(itertools.islice(at_rhythm(0.001, threading.Event(), Numbered("n"), SlowClock(0.01)), 4))
    assert [trigger.piece_id for trigger in found] == ["n-000001", "n-000002", "n-000003", "n-000004"]
    assert caplog.text.count("Raise --every") == 1


def test_numbers_of_two_runs_differ_by_their_start() -> None:
    assert Numbered("a")() == "a-000001"
    assert len(Numbered()()) == len("20261130-120000-000001")
