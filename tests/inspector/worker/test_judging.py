"""The hand-over of pieces to the judging thread: order, bounds, lost shards, errors, the end."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.verdicts.blank import blank_verdict
from inspector.verdicts.judge import Judge
from inspector.worker.judging import Judging, JudgingInPlace, JudgingThread, Task
from inspector.worker.settings import StallSettings
from inspector.worker.stall import StallWatch
from protos.inspection.v1.verdict_pb2 import DECISION_PASS, DECISION_REASON_GOOD, Verdict
from streams.observation import InspectionId, Observation, from_files
from streams.records import Shard

A, B = Shard("line-1", 0), Shard("line-1", 1)
MAX_PIECES = 6


class GatedJudge:
    """Judges when `gate` is open; `begun` is set when it has pieces. Raises `error` if there is one."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self.batches: list[list[str]] = []

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        self.batches.append([piece.inspection.piece_id for piece in observations])
        self.begun.set()
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return [blank_verdict(piece, None, (DECISION_PASS, DECISION_REASON_GOOD)) for piece in observations]


def piece(name: str) -> Observation:
    return from_files(InspectionId("line-1", "st", name), "disc", [("top", np.zeros((2, 2), np.uint8))], [])


def task(shard: Shard, *names: str) -> Task:
    return Task(shard, [piece(name) for name in names])


def names(tasks: Sequence[Task]) -> list[str]:
    return [verdict.inspection.piece_id for each in tasks for verdict in each.verdicts]


def drained(judging: Judging) -> list[Task]:
    """Everything that is under way, finished."""
    tasks = judging.finished()
    while judging.num_pieces:
        judging.wait(1.0)
        tasks += judging.finished()
    return tasks


@pytest.fixture
def judge() -> GatedJudge:
    return GatedJudge()


@pytest.fixture
def watch() -> StallWatch:
    return StallWatch(StallSettings(), 0.0)


@pytest.fixture
def judging(judge: GatedJudge, watch: StallWatch) -> Iterator[JudgingThread]:
    with closing(JudgingThread(judge, watch, MAX_PIECES)) as thread:
        yield thread
        judge.gate.set()


def test_pieces_wait_in_order_while_others_are_judged(judge: GatedJudge, judging: JudgingThread) -> None:
    judging.hand_over(task(A, "a1"))
    assert judge.begun.wait(60)
    for name in ("a2", "a3"):
        judging.hand_over(task(A, name))
    assert (judging.finished(), judging.num_pieces) == ([], 3)
    judge.gate.set()
    assert names(drained(judging)) == ["a1", "a2", "a3"]
    assert judge.batches == [["a1"], ["a2", "a3"]], "those that wait are judged together"


def test_pieces_of_two_shards_are_not_judged_together(judge: GatedJudge, judging: JudgingThread) -> None:
    """A shard with a backlog lowers the budget of its own pieces only."""
    judging.hand_over(task(A, "a1"))
    assert judge.begun.wait(60)
    for each in (task(B, "b1"), task(A, "a2"), task(B, "b2")):
        judging.hand_over(each)
    judge.gate.set()
    assert [each.shard for each in drained(judging)] == [A, B, B, A]
    assert judge.batches == [["a1"], ["b1", "b2"], ["a2"]]


def test_there_is_room_for_a_number_of_pieces_and_for_any_number_when_idle(
    judge: GatedJudge, judging: JudgingThread
) -> None:
    assert judging.has_room_for(100)
    judging.hand_over(task(A, *"abcd"))
    assert judge.begun.wait(60)
    assert judging.has_room_for(2)
    assert not judging.has_room_for(3)
    judging.hand_over(task(A, *"ef"))
    assert not judging.has_room_for(1)
    judge.gate.set()
    assert len(drained(judging)) == 2
    assert judging.has_room_for(100)


def test_the_judge_gets_half_of_the_bound_at_once(judge: GatedJudge, judging: JudgingThread) -> None:
    judging.hand_over(task(A, "first"))
    assert judge.begun.wait(60)
    for name in "abcde":
        judging.hand_over(task(A, name))
    judge.gate.set()
    drained(judging)
    assert judge.batches == [["first"], ["a", "b", "c"], ["d", "e"]]


def test_verdicts_of_a_lost_shard_are_dropped_wherever_its_pieces_are(
    judge: GatedJudge, judging: JudgingThread
) -> None:
    """Being judged, waiting, and, once the gate is open, finished. Assigned again, the shard starts anew."""
    judging.hand_over(task(A, "judged"))
    assert judge.begun.wait(60)
    for each in (task(A, "waiting"), task(B, "kept")):
        judging.hand_over(each)
    judging.drop({A})
    assert judging.num_pieces == 2
    judging.hand_over(task(A, "again"))
    judge.gate.set()
    while judging.num_pieces < 3 or len(judging._finished) < 3:
        judging.wait(1.0)
    judging.drop({B})
    assert names(drained(judging)) == ["again"]
    assert judge.batches == [["judged"], ["kept"], ["again"]]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_an_error_of_the_judge_is_raised_in_the_main_loop(
    judge: GatedJudge, judging: JudgingThread, error: BaseException
) -> None:
    judge.error = error
    judge.gate.set()
    judging.hand_over(task(A, "a"))
    judging.wait(1.0)
    for _ in range(2):
        with pytest.raises(type(error)):
            judging.finished()


def test_the_end_waits_for_the_pieces_that_are_judged_only(judge: GatedJudge, watch: StallWatch) -> None:
    judging = JudgingThread(judge, watch, MAX_PIECES)
    judging.hand_over(task(A, "a"))
    assert judge.begun.wait(60)
    judging.hand_over(task(A, "b"))
    judge.gate.set()
    judging.close()
    assert judging._thread is not None
    assert not judging._thread.is_alive()
    assert judge.batches[0] == ["a"]


def test_a_judge_that_hangs_is_named(judge: GatedJudge, judging: JudgingThread, watch: StallWatch) -> None:
    assert watch.judging_stage[0] == ""
    judging.hand_over(task(A, "a", "b"))
    assert judge.begun.wait(60)
    assert watch.judging_stage[0] == "judging 2 pieces"
    judge.gate.set()
    drained(judging)
    assert watch.judging_stage[0] == ""


class Stub:
    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        return [blank_verdict(each, None, (DECISION_PASS, DECISION_REASON_GOOD)) for each in observations]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hand over"), st.sampled_from([A, B]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["drop", "finish"]), st.sampled_from([A, B]), st.just(0)),
    ),
    max_size=30,
)


@pytest.mark.parametrize("is_threaded", [False, True])
@settings(deadline=None)
@given(steps=STEPS)
def test_each_piece_comes_back_once_in_the_order_of_its_shard_unless_that_was_lost(
    is_threaded: bool, steps: Sequence[tuple[str, Shard, int]]
) -> None:
    stub: Judge = Stub()
    watch = StallWatch(StallSettings(), 0.0)
    judging: Judging = JudgingThread(stub, watch, MAX_PIECES) if is_threaded else JudgingInPlace(stub, watch)
    given_over: dict[Shard, list[str]] = {A: [], B: []}
    came: dict[Shard, list[str]] = {A: [], B: []}
    count = 0

    def collect(tasks: Sequence[Task]) -> None:
        for each in tasks:
            came[each.shard] += names([each])

    with closing(judging):
        for step, shard, num in steps:
            if step == "hand over":
                while not judging.has_room_for(num):
                    judging.wait(1.0)
                    collect(judging.finished())
                new = [f"p{count + number}" for number in range(num)]
                count += num
                given_over[shard] += new
                judging.hand_over(task(shard, *new))
                assert judging.num_pieces <= max(MAX_PIECES, num)
            elif step == "drop":
                judging.drop({shard})
                given_over[shard] = list(came[shard])
            else:
                collect(judging.finished())
        collect(drained(judging))
    assert came == given_over
