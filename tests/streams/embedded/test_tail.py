"""Tails of the embedded log: tokens, times, retention."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams import resume_token
from streams.deadline import Deadline
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.store import Store, Topic
from streams.log import (
    Log,
    Start,
    TokenExpiredError,
    TokenInvalidError,
)
from streams.records import Output, Record, TopicPartition, Topics
from tests.embedded_parts import SHORT, VERDICTS, frames, output, publish, values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with closing(EmbeddedLog(path, SHORT)) as opened:
        yield opened


@pytest.fixture
def verdicts(log: Log) -> list[Record]:
    for value in (b"1", b"2", b"3"):
        publish(log, output("verdicts", value))
    with closing(log.tail(Start(earliest=True))) as tail:
        return list(tail.poll(0))


def tail_values(log: Log, start: Start) -> list[bytes]:
    with closing(log.tail(start)) as tail:
        publish(log, output("verdicts", b"later"))
        return values(tail.poll(0))


def test_a_tail_from_earliest_shows_all(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start(earliest=True)) == [b"1", b"2", b"3", b"later"]


def test_a_live_tail_shows_what_comes(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start()) == [b"later"]


def test_a_tail_from_a_time_begins_with_the_first_record_then(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start(time_ns=verdicts[1].append_ns)) == [b"2", b"3", b"later"]


@pytest.mark.parametrize("count", [0, 1, 2, 33])
def test_a_time_is_looked_up_among_records_of_several_topics(path: Path, log: Log, count: int) -> None:
    publish(log, *[output(kind, b"v") for _ in range(count) for kind in ("verdicts", "frames")])
    with closing(Store(path, SHORT)) as store, store.write(durable=False):
        store.execute("UPDATE records SET append_ns = id * 10")
        topic = store.topic(VERDICTS.topic)
        stamps = [(offset, offset * 10) for offset in store.ids(topic, 0, -1)]
        for time_ns in range(20 * count + 20):
            expected = next((offset for offset, stamp in stamps if stamp >= time_ns), store.end())
            assert store.ids(topic, store.first_since(topic, time_ns), 1) == store.ids(topic, expected, 1)


def test_a_token_resumes_behind_its_message(log: Log, verdicts: list[Record]) -> None:
    token = resume_token.encode({VERDICTS: verdicts[1].offset + 1})
    assert tail_values(log, Start(token=token)) == [b"3", b"later"]


def test_the_position_of_a_tail_is_a_token(log: Log, verdicts: list[Record]) -> None:
    with closing(log.tail(Start(earliest=True))) as tail:
        tail.poll(0)
        token = resume_token.encode(tail.position())
    assert tail_values(log, Start(token=token)) == [b"later"]


def test_a_line_that_is_younger_than_the_token_is_shown_whole(log: Log, verdicts: list[Record]) -> None:
    with closing(log.tail(Start())) as tail:
        token = resume_token.encode(tail.position())
    publish(log, Output("qa.l2.verdicts", None, b"st", b"first of l2", "t"))
    assert tail_values(log, Start(token=token)) == [b"first of l2", b"later"]


@pytest.mark.parametrize(
    "positions",
    [{TopicPartition("other.verdicts", 0): 1}, {VERDICTS: 10**9}],
)
def test_a_token_of_another_log_is_refused(
    log: Log, verdicts: list[Record], positions: dict[TopicPartition, int]
) -> None:
    with pytest.raises(TokenInvalidError):
        log.tail(Start(token=resume_token.encode(positions)))


def test_a_token_past_retention_says_what_is_left(path: Path, log: Log, verdicts: list[Record]) -> None:
    publish(EmbeddedLog(path, EmbeddedSettings(max_age_s=0.0)), output("verdicts", b"4"))
    for start in (
        Start(token=resume_token.encode({VERDICTS: verdicts[1].offset})),
        Start(time_ns=verdicts[2].append_ns),
    ):
        with pytest.raises(TokenExpiredError, match="start with earliest") as caught:
            log.tail(start)
        with closing(log.tail(Start(earliest=True))) as tail:
            assert caught.value.oldest_ns == tail.poll(0)[0].append_ns


@pytest.mark.parametrize("num_lines", [1, 3])
@pytest.mark.parametrize("count", [7, 8, 40])
def test_a_tail_goes_through_a_long_topic_in_order(path: Path, num_lines: int, count: int) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_records=7))
    sent = [b"%d" % index for index in range(count)]
    for index, value in enumerate(sent):
        publish(log, Output(f"qa.l{index % num_lines}.verdicts", None, b"", value, "t"))
    seen: list[bytes] = []
    start = Start(earliest=True)
    for _ in range(8):  # every poll by a new tail from the token of the one before
        with closing(log.tail(start)) as tail:
            seen += values(tail.poll(0))
            start = Start(token=resume_token.encode(tail.position()))
    assert seen == sent


def test_a_tail_that_is_too_slow_learns_why(path: Path) -> None:
    log = EmbeddedLog(path)
    publish(log, output("verdicts", b"1"))
    with closing(log.tail(Start(earliest=True))) as tail:
        publish(EmbeddedLog(path, EmbeddedSettings(max_age_s=0.0)), output("verdicts", b"2"))
        with pytest.raises(TokenExpiredError):
            tail.poll(0)


def test_a_waiting_tail_reads_nothing_while_records_of_other_kinds_come(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    topics_of = Store.topics
    with closing(log.tail(Start())) as tail, closing(log.publisher()) as publisher:

        def noted(store: Store, suffix: str = "") -> list[Topic]:
            reads.append(suffix)
            return topics_of(store, suffix)

        def publish_frame(deadline: Deadline, seconds: float) -> None:
            publisher.publish(frames(b"frame"))
            time.sleep(seconds)

        monkeypatch.setattr(Store, "topics", noted)
        monkeypatch.setattr(Deadline, "sleep", publish_frame)
        assert not tail.poll(0.1)
        assert reads.count(".verdicts") == 2  # at the beginning and at the deadline


def test_a_waiting_tail_sees_a_line_that_is_new(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Output(Topics("qa", "l2").of("verdicts"), None, b"st", b"new", "inspection.v1.Test")
    with closing(log.tail(Start())) as tail:
        monkeypatch.setattr(Deadline, "sleep", lambda deadline, seconds: publish(log, verdict))
        assert set(values(tail.poll(30))) == {b"new"}


def test_a_waiting_tail_wakes_when_another_process_appends(path: Path) -> None:
    log = EmbeddedLog(path)
    with closing(log.tail(Start())) as tail:
        writer = multiprocessing.get_context("spawn").Process(target=append_verdict, args=(path,))
        writer.start()
        assert values(tail.poll(30)) == [b"now"]
        writer.join()


def append_verdict(path: Path) -> None:
    publish(EmbeddedLog(path), output("verdicts", b"now"))
