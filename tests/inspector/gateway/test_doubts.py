"""A verdict is not PASS in a look-up when another part was read under its id since."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from inspector.client.client import Client
from inspector.gateway.callers import Caller
from inspector.gateway.doubts import MAX_DOUBTS, WINDOW_NS, Doubts, LetterSearch, doubts_of
from inspector.gateway.lookup import Lookup
from inspector.gateway.refusal import StatusError
from inspector.gateway.server import Backend, Gateway
from inspector.verdicts.index import VerdictIndex
from inspector.verdicts.ring import entries_of
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.decode.dead_letters import DEAD_LETTER_TYPE
from streams.embedded.log import EmbeddedLog
from streams.log import Start
from streams.observation import InspectionId
from streams.records import Output, Record
from tests.inspector.gateway.conftest import SETTINGS, CountingJudge, OneRecipe, verdict_bytes
from tests.inspector.gateway.memory_log import MemoryLog
from tests.waiting import until

Put = Callable[..., Record]
CALLER = Caller("h", "h:1")
TWICE = pb.DEAD_LETTER_REASON_ID_READ_TWICE
SECOND = 10**9


def letter_bytes(piece: int, reason: int = TWICE, station: str = "s0") -> bytes:
    named = pb.Inspection(line="a", station=station, piece_id=f"{piece:06d}")
    return pb.DeadLetter(reason=pb.DeadLetterReason.Name(reason), inspection=named).SerializeToString()


def put_letter(log: MemoryLog, piece: int, append_ns: int, reason: int = TWICE) -> Record:
    return log.letters.append(log.letters.partitions[0], letter_bytes(piece, reason), append_ns, DEAD_LETTER_TYPE)


def inspection_of(piece: int) -> InspectionId:
    return InspectionId("a", "s0", f"{piece:06d}")


def lookup(log: MemoryLog, doubts: Doubts, limit_s: float = 5.0) -> Lookup:
    index = VerdictIndex(10**6, 3600.0, doubts.since_ns)
    for entry in entries_of(record for records in log.records.values() for record in records):
        if entry.append_ns >= doubts.since_ns:
            index.add(entry, time.time_ns())
    return Lookup(log, index, doubts, limit_s)


def known(since_ns: int, *letters: Record, max_count: int = MAX_DOUBTS) -> Doubts:
    doubts = Doubts(since_ns, lambda: None, lambda _: None, max_count)
    doubts.take(doubts_of(letters), {})
    doubts.caught_up()
    return doubts


async def answer(log: MemoryLog, doubts: Doubts, piece: int = 1, limit_s: float = 5.0) -> tuple[str, str]:
    reader = lookup(log, doubts, limit_s)
    try:
        verdict = await reader.answer(inspection_of(piece), CALLER)
    finally:
        reader.close()
    return Decision.Name(verdict.decision)[9:], DecisionReason.Name(verdict.reason)[16:]


REVIEW = ("REVIEW", "ID_READ_TWICE")


@pytest.mark.parametrize("fail", [False, True])
async def test_a_verdict_is_review_when_another_part_came_after_it(log: MemoryLog, put: Put, fail: bool) -> None:
    now_ns = time.time_ns()
    put(1, append_ns=now_ns, fail=fail)
    letter = put_letter(log, 1, now_ns + SECOND)
    assert await answer(log, known(now_ns - SECOND, letter)) == REVIEW


async def test_a_letter_of_the_same_commit_may_be_stamped_first_by_another_broker(log: MemoryLog, put: Put) -> None:
    now_ns = time.time_ns()
    put(1, append_ns=now_ns)
    letter = put_letter(log, 1, now_ns - 20_000_000)
    assert await answer(log, known(now_ns - SECOND, letter)) == REVIEW
    assert await answer(log, known(now_ns + SECOND)) == REVIEW


async def test_until_the_letters_are_read_back_the_log_is_asked(log: MemoryLog, put: Put) -> None:
    now_ns = time.time_ns()
    put(1, append_ns=now_ns)
    put_letter(log, 1, now_ns + SECOND)
    assert await answer(log, Doubts(now_ns - SECOND, lambda: None, lambda _: None)) == REVIEW


def test_a_gateway_that_no_longer_follows_the_dead_letters_is_not_healthy() -> None:
    notifications: list[bool] = []
    Doubts(0, lambda: None, notifications.append).end()
    assert notifications == [True]


@pytest.mark.parametrize(
    ("piece", "after_s", "reason"),
    [(2, 1, TWICE), (1, -1, TWICE), (1, 1, pb.DEAD_LETTER_REASON_LATE)],
    ids=["another-piece", "before-this-verdict", "merely-late"],
)
async def test_other_letters_change_nothing(log: MemoryLog, put: Put, piece: int, after_s: int, reason: int) -> None:
    now_ns = time.time_ns()
    put(1, append_ns=now_ns)
    letter = put_letter(log, piece, now_ns + after_s * SECOND, reason)
    assert await answer(log, known(now_ns - 10 * SECOND, letter)) == ("PASS", "UNSPECIFIED")


@pytest.mark.parametrize(("after_ns", "decision"), [(SECOND, "REVIEW"), (WINDOW_NS, "PASS"), (None, "PASS")])
async def test_for_an_old_verdict_the_letters_of_its_hour_are_read(
    log: MemoryLog, put: Put, after_ns: int | None, decision: str
) -> None:
    begin_ns = time.time_ns() - 30 * 3600 * SECOND
    put(1, append_ns=begin_ns)
    if after_ns is not None:
        put_letter(log, 1, begin_ns + after_ns)
    assert (await answer(log, known(time.time_ns())))[0] == decision


async def test_what_could_not_be_read_in_time_is_no_pass(
    log: MemoryLog, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_ns = time.time_ns() - 1800 * SECOND
    put(1, append_ns=begin_ns)
    put_letter(log, 2, begin_ns + SECOND)
    (entry,) = entries_of(log.records[log.partitions[0]])
    assert LetterSearch(log, entry, time.monotonic() - 1, lambda: False).run() is None
    monkeypatch.setattr("inspector.gateway.doubts.LetterSearch.run", lambda _: None)
    with pytest.raises(StatusError, match="could not be read within 5 s"):
        await answer(log, known(time.time_ns()))


async def test_doubts_that_had_no_room_are_found_in_the_log(log: MemoryLog, put: Put) -> None:
    now_ns = time.time_ns()
    letters = []
    for piece in range(4):
        put(piece, append_ns=now_ns + piece)
        letters.append(put_letter(log, piece, now_ns + SECOND + piece))
    doubts = known(now_ns - SECOND, *letters, max_count=2)
    assert doubts.since_ns == now_ns + SECOND + 2
    reader = lookup(log, known(now_ns - SECOND))
    reader._doubts = doubts
    verdicts = [await reader.answer(inspection_of(piece), CALLER) for piece in range(4)]
    reader.close()
    assert {each.reason for each in verdicts} == {DecisionReason.DECISION_REASON_ID_READ_TWICE}


def test_a_gateway_follows_the_dead_letters_and_leaves_the_verdict_as_it_is(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.sqlite")
    publisher = log.publisher()
    publisher.publish([Output("t.a.verdicts", 0, b"s0", verdict_bytes(1, station="s0"), "inspection.v1.Verdict")])
    backend = Backend(log, "t", frozenset({"a"}), OneRecipe(), lambda *_: None, CountingJudge())
    named = pb.Inspection(line="a", station="s0", piece_id="000001")
    with Gateway(backend, SETTINGS) as gateway, Client(gateway.address) as client:
        assert gateway.wait_serving(10)
        assert client.verdict(named).decision == Decision.DECISION_PASS
        publisher.publish([Output("t.a.dead-letters", 0, b"s0", letter_bytes(1), DEAD_LETTER_TYPE)])
        until(lambda: client.verdict(named).decision == Decision.DECISION_REVIEW)
        answer = client.verdict(named)
    assert answer.reason == DecisionReason.DECISION_REASON_ID_READ_TWICE
    publisher.close()
    (record,) = _verdicts(log)
    assert Verdict.FromString(record.value).decision == Decision.DECISION_PASS


def _verdicts(log: EmbeddedLog) -> list[Record]:
    with closing(log.tail(Start(earliest=True))) as tail:
        return list(tail.poll(1.0))
