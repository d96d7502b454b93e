"""A follower stores each verdict exactly once, whatever fails, and also when it is killed."""

import random
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from inspector.verdicts import follow as follow_module
from inspector.verdicts.follow import StoreError, follow
from inspector.verdicts.records import verdict_output
from inspector.verdicts.regrown import LastRecord
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from streams import resume_token
from streams.embedded.log import EmbeddedLog
from streams.embedded.settings import EmbeddedSettings
from streams.embedded.tail import EmbeddedTail
from streams.log import Gap, LogLostError
from streams.records import Output, Record, Shard, TopicPartition, Topics

TOPICS, OTHER = Topics("t", "a"), Topics("t", "b")


class SqliteStore:
    """Rows and token in one transaction, on disk. Fails at random before or after it has written."""

    def __init__(self, path: Path, failures: random.Random | None = None) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("CREATE TABLE IF NOT EXISTS verdicts (piece TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS position (token BLOB)")
        self._failures = failures
        self.skipped: list[Gap] = []
        self.sizes: list[int] = []
        """Of the transactions."""

    def token(self) -> bytes | None:
        row = self._db.execute("SELECT token FROM position").fetchone()
        return None if row is None else row[0]

    def store(self, entries: Sequence[Entry], token: bytes) -> None:
        self._fail()
        with self._db:
            self._db.executemany("INSERT INTO verdicts VALUES (?)", [(entry.inspection.piece_id,) for entry in entries])
            self._db.execute("DELETE FROM position")
            self._db.execute("INSERT INTO position VALUES (?)", (token,))
        self.sizes.append(len(entries))
        self._fail()

    def last(self) -> Mapping[TopicPartition, LastRecord]:
        return {}

    def skip(self, gaps: Sequence[Gap]) -> None:
        self.skipped += gaps

    @property
    def pieces(self) -> list[str]:
        return [row[0] for row in self._db.execute("SELECT piece FROM verdicts ORDER BY rowid")]

    def close(self) -> None:
        self._db.close()

    def _fail(self) -> None:
        if self._failures is not None and self._failures.random() < 0.3:
            raise StoreError("the disk is full")


def publish(source: EmbeddedLog, numbers: range, topics: Topics = TOPICS) -> None:
    verdicts = [
        Verdict(inspection=Inspection(line=topics.line, station=f"s{number % 3}", piece_id=f"{number:04d}"), entry_ns=1)
        for number in numbers
    ]
    sink = source.publisher()
    sink.publish([verdict_output(topics, Shard(topics.line, 0), verdict) for verdict in verdicts])
    sink.flush()
    sink.close()


def run_until(source: EmbeddedLog, store: SqliteStore, num_pieces: int) -> None:
    """Follows in a thread until the store has so many pieces."""
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(source, store, stop, "archive"))
    thread.start()
    try:
        for _ in range(1000):
            if len(store.pieces) >= num_pieces:
                break
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def names(numbers: Iterable[int]) -> list[str]:
    return [f"{number:04d}" for number in numbers]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "POLL_S", 0.02)
    monkeypatch.setattr(follow_module, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(follow_module, "MAX_DELAY_S", 0.01)


def test_each_verdict_is_stored_once_and_following_continues_where_it_ended(tmp_path: Path) -> None:
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(50))
    first = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, first, 50)
    first.close()
    publish(source, range(50, 120))
    second = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, second, 120)
    assert second.pieces == names(range(120))


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [({"MAX_RECORDS": 240}, [240, 20]), ({"MAX_BYTES": 1}, [120, 120, 20]), ({"MANY_RECORDS": 121}, [120, 120, 20])],
)
def test_a_backlog_is_stored_in_larger_steps_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], sizes: list[int]
) -> None:
    monkeypatch.setattr(follow_module, "GATHER_S", 60.0)
    for name, limit in limits.items():
        monkeypatch.setattr(follow_module, name, limit)
    source = EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings(max_poll_records=120))
    publish(source, range(260))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 260)
    assert store.sizes == sizes
    assert store.pieces == names(range(260))


def test_failures_of_the_store_lose_and_double_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings(max_poll_bytes=1000))
    publish(source, range(200))
    store = SqliteStore(tmp_path / "store.sqlite", random.Random(7))
    run_until(source, store, 200)
    assert store.pieces == names(range(200))
    assert "archive: interrupted (the disk is full). Retries until it succeeds" in caplog.text
    assert "archive: continues." in caplog.text


def test_records_that_are_no_verdicts_are_passed_over_and_not_read_again(tmp_path: Path) -> None:
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publisher = source.publisher()
    publisher.publish([Output(TOPICS.of("verdicts"), 0, b"k", b"\xff\xff", "inspection.v1.Verdict")])
    publisher.flush()
    publisher.close()
    publish(source, range(1))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 1)
    assert store.pieces == ["0000"]


def test_verdicts_that_were_deleted_before_they_were_read_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(10))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 10)
    publish(source, range(10, 20))
    publish(EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings(max_age_s=0.0)), range(20, 21))
    run_until(source, store, 11)
    (gap,) = store.skipped
    assert (gap.source, gap.is_recreated) == (TopicPartition(TOPICS.of("verdicts"), 0), False)
    assert gap.next - gap.first == 10
    assert store.pieces[10:] == names(range(20, 21))
    assert "verdicts of t.a.verdicts/0 were deleted before they were read" in caplog.text


def test_a_gap_in_one_topic_has_no_other_read_again(tmp_path: Path) -> None:
    """All topics were read again from their oldest verdict, and stored twice."""
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(10))
    publish(source, range(100, 110), OTHER)
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 20)
    publish(source, range(10, 15))
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as db, db:
        last = db.execute("SELECT max(id) FROM records").fetchone()[0]
        db.execute("DELETE FROM records WHERE topic = 1")
        db.execute("UPDATE topics SET floor = ? WHERE id = 1", (last + 1,))
    publish(source, range(15, 17))
    publish(source, range(110, 112), OTHER)
    run_until(source, store, 24)
    assert [gap.source.topic for gap in store.skipped] == [TOPICS.of("verdicts")]
    assert sorted(store.pieces) == names([*range(10), *range(15, 17), *range(100, 112)])


def test_a_replaced_log_is_followed_from_its_oldest_verdict(tmp_path: Path) -> None:
    first = EmbeddedLog(tmp_path / "first.sqlite")
    publish(first, range(30))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(first, store, 30)
    second = EmbeddedLog(tmp_path / "second.sqlite")
    publish(second, range(5))
    run_until(second, store, 35)
    assert store.pieces[30:] == names(range(5))
    assert [gap.is_recreated for gap in store.skipped] == [True]


def test_a_replaced_log_that_has_grown_past_the_position_is_distinguished_from_the_one_before(tmp_path: Path) -> None:
    """It was followed from its middle."""
    first = EmbeddedLog(tmp_path / "first.sqlite")
    publish(first, range(10))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(first, store, 10)
    second = EmbeddedLog(tmp_path / "second.sqlite")
    publish(second, range(100, 140))
    run_until(second, store, 50)
    assert store.pieces[10:] == names(range(100, 140))


def test_a_token_of_an_earlier_version_continues(tmp_path: Path) -> None:
    """It has no identity of the log."""
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(10))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 10)
    position = resume_token.decode(store.token() or b"")
    store.store([], resume_token.encode(position))
    publish(source, range(10, 20))
    run_until(source, store, 20)
    assert store.pieces == names(range(20))
    assert not store.skipped


def test_a_token_that_cannot_be_read_is_reported_and_the_oldest_verdict_is_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(10))
    store = SqliteStore(tmp_path / "store.sqlite")
    store.store([], b"damaged")
    run_until(source, store, 10)
    assert "archive: its stored position cannot be read" in caplog.text


def test_a_log_that_is_gone_ends_the_follower(tmp_path: Path) -> None:
    """It tried again without end, and nobody knew."""
    source = EmbeddedLog(tmp_path / "log.sqlite")
    publish(source, range(3))
    store = SqliteStore(tmp_path / "store.sqlite")
    run_until(source, store, 3)
    (tmp_path / "log.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(LogLostError):
        follow(source, store, threading.Event(), "archive")


class Counting(SqliteStore):
    """Ends the follower at the first transaction."""

    def __init__(self, path: Path, stop: threading.Event) -> None:
        super().__init__(path)
        self._stop = stop

    def store(self, entries: Sequence[Entry], token: bytes) -> None:
        super().store(entries, token)
        self._stop.set()


@pytest.mark.parametrize(("idle_store_s", "expected"), [(3600.0, [1]), (0.0, [0])])
def test_a_position_that_moved_past_other_records_is_stored_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_store_s: float, expected: list[int]
) -> None:
    """It was stored twice a second, as long as cameras and sensors sent anything."""
    monkeypatch.setattr(follow_module, "IDLE_STORE_S", idle_store_s)
    source, stop = EmbeddedLog(tmp_path / "log.sqlite"), threading.Event()
    publish(source, range(1))
    run_until(source, SqliteStore(tmp_path / "store.sqlite"), 1)
    publisher = source.publisher()
    store = Counting(tmp_path / "store.sqlite", stop)
    polls = count_polls(monkeypatch)
    thread = threading.Thread(target=follow, args=(source, store, stop, "archive"))
    thread.start()
    while len(polls) < 20 and not stop.is_set():
        publisher.publish([Output(TOPICS.of("frames"), 0, b"k", b"frame", "inspection.v1.CameraFrame")])
        publisher.flush()
    publisher.close()
    if not store.sizes:
        publish(source, range(1, 2))
    thread.join(20)
    assert store.sizes == expected


def count_polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    polls = list[float]()
    poll = EmbeddedTail.poll

    def counted(tail: EmbeddedTail, timeout_s: float) -> Sequence[Record]:
        polls.append(timeout_s)
        return poll(tail, timeout_s)

    monkeypatch.setattr(EmbeddedTail, "poll", counted)
    return polls
