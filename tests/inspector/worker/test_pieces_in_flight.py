"""Pieces that are being judged next to the main loop: they fill memory, and end with their shard or their worker."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.embedded import EmbeddedLog
from streams.join.assembly import JoinSettings
from streams.observation import Observation
from tests.line import StubJudge, build, ends, frame, line_of, publish, running, work, written

IMAGE_BYTES = 64
BOUND = 200
"""Three images have room."""


@pytest.fixture(autouse=True)
def two_cores() -> Iterator[None]:
    with running.on(2):
        yield


class Watching:
    """Notes something at every call, before it judges."""

    def __init__(self, judge: StubJudge, note: Callable[[Sequence[Observation]], None]) -> None:
        self._judge, self._note = judge, note

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        self._note(observations)
        return self._judge.judge(observations)


def pieces(path: Path) -> list[str]:
    return sorted(Verdict.FromString(value).inspection.piece_id for value in written(path, "verdicts"))


def step_until(pipeline: Pipeline, is_done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_done() and time.monotonic() < deadline_s:
        pipeline.step()
    assert is_done()


def test_pieces_that_are_being_judged_fill_the_memory(log: EmbeddedLog, path: Path) -> None:
    """Their recordings are not decoded anew into the room that they left in the join."""
    held: list[int] = []

    def note(observations: Sequence[Observation]) -> None:
        deadline_s = time.monotonic() + 60
        while not held and not pipeline._watch.stage[0].startswith("waiting") and time.monotonic() < deadline_s:
            time.sleep(0.001)
        ((_, join),) = pipeline._shards
        held.append(join.held_bytes)
        assert join.lent_bytes >= IMAGE_BYTES * len(observations)

    count = 12
    publish(log, [frame(f"p{number}", time.time_ns()) for number in range(count)])
    source, sink = ends(log)
    with closing(source), closing(sink):
        small = JoinSettings(max_open_bytes=BOUND, max_delay_s=0.2)
        pipeline, _ = build(source, sink, join=small, wrapped=lambda judge: Watching(judge, note))
        work(pipeline, path, count)
        ((_, join),) = pipeline._shards
        assert join.held_bytes == 0
    assert pieces(path) == sorted(f"p{number}" for number in range(count))
    assert BOUND - IMAGE_BYTES < max(held) <= BOUND


def test_no_more_pieces_are_handed_over_than_a_commit_publishes(log: EmbeddedLog, path: Path) -> None:
    under_way: list[int] = []
    count = 30
    publish(log, line_of(count))
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(
            source,
            sink,
            pipeline=PipelineSettings(max_verdicts_per_commit=4),
            wrapped=lambda judge: Watching(judge, lambda _: under_way.append(pipeline._judging.num_pieces)),
        )
        work(pipeline, path, count)
    assert len(pieces(path)) == count
    assert max(under_way) == 4


def test_pieces_of_a_line_that_another_worker_took_over_are_judged_there(log: EmbeddedLog, path: Path) -> None:
    """The first worker was slow: the log gave its line away while it judged."""
    gate, begun = threading.Event(), threading.Event()

    def hold(observations: Sequence[Observation]) -> None:
        begun.set()
        assert gate.wait(60)

    publish(log, line_of(3))
    source, sink = ends(log, "slow")
    other_source, other_sink = ends(log, "other")
    with closing(source), closing(sink), closing(other_source), closing(other_sink):
        slow, _ = build(source, sink, wrapped=lambda judge: Watching(judge, hold))
        step_until(slow, begun.is_set)
        other, _ = build(other_source, other_sink)
        work(other, path, 3)
        assert pieces(path) == ["p0", "p1", "p2"]
        gate.set()
        step_until(slow, lambda: not slow._judging.num_pieces)
        slow.finish()
    assert pieces(path) == ["p0", "p1", "p2"]


def test_a_stop_publishes_what_is_being_judged(log: EmbeddedLog, path: Path) -> None:
    stop = threading.Event()
    publish(log, line_of(3))
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(source, sink, wrapped=lambda judge: Watching(judge, lambda _: stop.set()))
        pipeline.run(stop)
    assert pieces(path) == ["p0", "p1", "p2"]
    assert not any(thread.name == "judging" for thread in threading.enumerate())
