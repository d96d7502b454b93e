"""A record that ends every worker that reads it stops after two of them; workers that end by chance poison nothing."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_POISONED, DeadLetter
from protos.inspection.v1.verdict_pb2 import DECISION_PASS, DECISION_REASON_ENGINE, DECISION_REVIEW, Verdict
from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.process import Decoder, DecodingSettings
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Position, Sink
from streams.observation import Observation
from streams.records import Output, Record, TopicPartition
from tests.line import GAP_NS, TOPICS, PowerCut, StubJudge, build, chunk, frame, publish, running, written

pytestmark = pytest.mark.usefixtures("cores")

CHILD = DecodingSettings(child="tests.streams.decode.poison", max_inline_bytes=2**20)


def deadly(record: Record, limits: Limits, line: str) -> Item:
    if b"deadly" in record.value:
        raise PowerCut
    return decode(record, limits, line)


def records_of(count: int, poison: int | None = None) -> list[Output]:
    """Pieces a tenth of a second apart, two seconds ago; the chunk of one of them is deadly."""
    begin_ns = time.time_ns() - 2_000_000_000
    records: list[Output] = []
    for number in range(count):
        records += [frame(f"p{number}", begin_ns + number * GAP_NS), chunk(number, begin_ns)]
        if number == poison:
            records.append(frame("deadly", begin_ns + number * GAP_NS))
    return records


def alive(
    log: EmbeddedLog,
    do: Callable[[Record, Limits, str], Item],
    until: Callable[[], bool],
    owner: str = "w",
    is_deadly: Callable[[Sequence[str]], bool] = lambda judged: False,
) -> bool:
    """One worker's life; False when it died, True when it has seen the end and stopped by itself."""
    source, sink = log.source(("line-1",), "qa", owner), log.sink()
    decoder = Decoder(CHILD, do, running.num_ahead)
    with closing(source), closing(sink), closing(decoder):
        pipeline, _ = build(source, sink, decoder=decoder, wrapped=lambda judge: Deadly(judge, is_deadly))
        try:
            deadline_s = time.monotonic() + 60
            while not until() and time.monotonic() < deadline_s:
                pipeline.step()
        except PowerCut:
            return False
        pipeline.finish()
    return True


def letters(path: Path) -> list[DeadLetter]:
    return [DeadLetter.FromString(value) for value in written(path, "dead-letters")]


def pieces(path: Path) -> list[str]:
    return sorted(Verdict.FromString(value).inspection.piece_id for value in written(path, "verdicts"))


@pytest.mark.parametrize(("owners", "at_work"), [(("w1", "w2"), True), (("w",), False)])
def test_the_record_is_poisoned_after_two_workers(
    log: EmbeddedLog, path: Path, owners: Sequence[str], at_work: bool
) -> None:
    """Workers used to crash on it in turn forever. Its piece enters all the same. A worker that crashes on its first
    records has left a note for the next owner; one that crashes later has not, so the next owner crashes, too."""
    publish(log, records_of(2))
    coming = [records_of(6, poison=3)[4:]]

    def is_done() -> bool:
        if coming and len(pieces(path)) == 2:
            publish(log, coming.pop())
            return not at_work
        return len(pieces(path)) == 7

    assert alive(log, deadly, is_done) is not at_work
    deaths = int(at_work)
    while not alive(log, deadly, is_done, owners[deaths % len(owners)]):
        deaths += 1
        assert deaths < 5
    assert deaths == 1 + at_work
    assert pieces(path) == ["deadly", *(f"p{number}" for number in range(6))]
    (letter,) = [each for each in letters(path) if each.reason == DEAD_LETTER_REASON_POISONED]
    assert (letter.topic, letter.partition, letter.raw) == (TOPICS.of("frames"), 0, b"")
    assert f"offset {letter.offset} has ended workers" in letter.detail
    assert letter.inspection.piece_id == "deadly"


def test_what_is_poisoned_is_not_decoded_by_a_later_worker(log: EmbeddedLog, path: Path) -> None:
    """Its dead letter is read back, although the record itself is read again."""
    publish(log, records_of(6, poison=3))
    for _ in range(2):
        alive(log, deadly, lambda: any(each.reason == DEAD_LETTER_REASON_POISONED for each in letters(path)))
    assert alive(log, deadly, lambda: len(pieces(path)) == 7)
    assert sum(each.reason == DEAD_LETTER_REASON_POISONED for each in letters(path)) == 1


def test_workers_that_end_by_chance_poison_nothing(log: EmbeddedLog, path: Path) -> None:
    """Most of them at their start: between two turns, in the middle of a record, or judging. Two deaths in a row after
    one piece was announced count as its doing, wherever the second happened: here chance leaves the second one out."""
    chance, coming, struck = random.Random(5), records_of(40), set[str]()

    def mortal(record: Record, limits: Limits, line: str) -> Item:
        if not struck and chance.random() < 0.02:
            raise PowerCut
        return decode(record, limits, line)

    deaths = 0

    def is_done() -> bool:
        publish(log, coming[:4])
        del coming[:4]
        if not struck and chance.random() < 0.5:
            raise PowerCut
        return not coming and len(pieces(path)) == 40

    def dies_judging(judged: Sequence[str]) -> bool:
        if struck or chance.random() >= 0.02:
            struck.difference_update(judged)
            return False
        struck.update(judged)
        return True

    while not alive(log, mortal, is_done, is_deadly=dies_judging):
        deaths += 1
        assert deaths < 60
    assert deaths >= 8
    assert letters(path) == []
    assert pieces(path) == sorted(f"p{number}" for number in range(40))
    assert {Verdict.FromString(value).decision for value in written(path, "verdicts")} == {DECISION_PASS}


def memos(path: Path) -> Mapping[str, int]:
    """Owners in a row without progress, by topic."""
    with closing(EmbeddedLog(path).sink()) as sink:
        rows = sink._store.execute("SELECT topic, next, memo FROM positions").fetchall()
    return {topic.rpartition(".")[2]: OffsetMetadata.decode(memo, offset).starts for topic, offset, memo in rows}


class Unwilling:
    """A sink that loses its power before anything is written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        raise PowerCut

    def close(self) -> None:
        self._sink.close()


def test_only_owners_without_progress_are_counted(log: EmbeddedLog, path: Path) -> None:
    publish(log, records_of(3))
    for number in (1, 2):
        source, sink = log.source(("line-1",), "qa", "w"), log.sink()
        with closing(source), closing(sink), closing(Decoder(CHILD)) as decoder:
            pipeline, _ = build(source, Unwilling(sink), decoder=decoder)
            with pytest.raises(PowerCut):
                pipeline.run(Event())
        assert memos(path) == {"frames": number, "signals": number}
    assert alive(log, decode, lambda: len(pieces(path)) == 3)
    assert set(memos(path).values()) == {0}


def test_a_graceful_stop_is_not_counted(log: EmbeddedLog, path: Path) -> None:
    publish(log, records_of(3))
    for _ in range(3):
        assert alive(log, decode, iter((False, True)).__next__)
        assert set(memos(path).values()) == {0}


class Deadly:
    """A judge that ends its process where `is_deadly` says so."""

    def __init__(self, judge: StubJudge, is_deadly: Callable[[Sequence[str]], bool]) -> None:
        self._judge, self._is_deadly = judge, is_deadly

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        if self._is_deadly([each.inspection.piece_id for each in observations]):
            raise PowerCut
        return self._judge.judge(observations)


def test_a_piece_that_ends_workers_is_left_to_a_person(log: EmbeddedLog, path: Path) -> None:
    publish(log, records_of(6))
    deaths = 0
    while not alive(log, decode, lambda: len(pieces(path)) == 6, is_deadly=lambda judged: "p3" in judged):
        deaths += 1
        assert deaths < 8
    verdicts = {each.inspection.piece_id: each for each in map(Verdict.FromString, written(path, "verdicts"))}
    assert sorted(verdicts) == [f"p{number}" for number in range(6)]
    assert verdicts["p3"].decision == DECISION_REVIEW
    assert verdicts["p3"].reason == DECISION_REASON_ENGINE
    assert {each.decision for piece, each in verdicts.items() if piece != "p3"} == {DECISION_PASS}
    assert len(written(path, "verdicts")) == 6
    assert letters(path) == []
    assert deaths <= 5
