"""The embedded log when its disk or file fails or another program interferes: it waits, or reports why it ends."""

import logging
import os
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.retention import Retention
from streams.embedded.sink import EmbeddedPublisher, EmbeddedSink
from streams.embedded.source import EmbeddedSource
from streams.embedded.store import Store
from streams.join.offset_metadata import OffsetMetadata
from streams.log import LogError, LogUnavailableError, Position, Start
from streams.records import Output, Record
from tests.embedded_parts import FRAMES, SHARD, frames, output, publish, values, verdict_values

QUICK = EmbeddedSettings(busy_s=0.2)
BEFORE_THE_DEFAULT_S = 25.0
"""Waits here are short; by default they last 30 s."""
PAGE_BYTES = 16384
MIB = 2**20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The disk takes nothing beyond `size` bytes of a file, for this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_for(log: pytest.LogCaptureFixture, message: str) -> None:
    deadline_s = time.monotonic() + 60.0
    while message not in log.text:
        assert time.monotonic() < deadline_s, log.text
        time.sleep(0.01)


def test_a_commit_waits_for_the_disk_and_is_written_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = EmbeddedLog(path, QUICK)
    publish(log, *frames(b"1"))
    with closing(log.source(["l1"], "qa", "w")) as source, closing(log.sink()) as sink:
        epoch = source.poll(0).epoch
        worker = threading.Thread(
            target=lambda: sink.commit([output("verdicts", bytes(2 * MIB))], {FRAMES: Position(9)}, epoch)
        )
        with files_of_at_most(MIB):
            worker.start()
            wait_for(caplog, "Committing to")
            assert verdict_values(log) == []
        worker.join(60.0)
        assert [len(value) for value in verdict_values(log)] == [2 * MIB]
    assert "check the disk" in caplog.text
    assert "continues after an interruption" in caplog.text


@pytest.mark.parametrize(
    ("pragma", "back", "words"),
    [
        ("max_page_count = 1", "max_page_count = 100000", "the disk is full: make room"),
        ("query_only = 1", "query_only = 0", "cannot be written: check its rights"),
    ],
)
def test_a_publisher_waits_for_a_bounded_time_then_says_what_to_do(
    path: Path, pragma: str, back: str, words: str
) -> None:
    log = EmbeddedLog(path, QUICK)
    store = Store(path, QUICK)
    with closing(EmbeddedPublisher(store, Retention(store, QUICK), QUICK.busy_s)) as publisher:
        store.execute(f"PRAGMA {pragma}")
        began_s = time.monotonic()
        with pytest.raises(LogUnavailableError, match=rf"{words}.*nothing of this call was written"):
            publisher.publish(frames(bytes(MIB)))
        assert time.monotonic() - began_s < BEFORE_THE_DEFAULT_S
        store.execute(f"PRAGMA {back}")
        publisher.publish(frames(b"later"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert values(source.poll(0)) == [b"later"]


@pytest.mark.parametrize("pragma", ["max_page_count = 1", "query_only = 1"])
def test_a_commit_continues_when_the_file_can_be_written_again(
    path: Path, pragma: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, store = EmbeddedLog(path, QUICK), Store(path, QUICK)
    tries: list[str] = []

    def repaired_at_the_third(name: str) -> None:
        tries.append(name)
        if tries.count("before begin") == 3:
            store.execute("PRAGMA max_page_count = 100000")
            store.execute("PRAGMA query_only = 0")

    with closing(log.source(["l1"], "qa", "w")) as source:
        epoch = source.poll(0).epoch
        with closing(EmbeddedSink(store, Retention(store, QUICK), repaired_at_the_third)) as sink:
            store.execute(f"PRAGMA {pragma}")
            sink.commit([output("verdicts", bytes(MIB))], {}, epoch)
    assert [len(value) for value in verdict_values(log)] == [MIB]


def test_a_lock_of_another_process_is_named(path: Path) -> None:
    log = EmbeddedLog(path, QUICK)
    with closing(log.publisher()) as publisher, closing(sqlite3.connect(path, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        began_s = time.monotonic()
        with pytest.raises(LogUnavailableError, match=rf"log\.db: another process \(number {os.getpid()}\) has held"):
            publisher.publish(frames(b"1"))
        assert time.monotonic() - began_s < BEFORE_THE_DEFAULT_S
        backup.execute("ROLLBACK")
        publisher.publish(frames(b"2"))


def test_reading_continues_while_another_process_holds_the_lock(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(lease_s=0.01))
    publish(log, *frames(b"1"))
    with (
        closing(log.source(["l1"], "qa", "w")) as source,
        closing(sqlite3.connect(path, isolation_level=None)) as backup,
    ):
        source.poll(0)
        backup.execute("BEGIN IMMEDIATE")
        time.sleep(0.01)  # a beat is due
        began_s = time.monotonic()
        assert values(source.poll(0)) == [b"1"]
        assert time.monotonic() - began_s < BEFORE_THE_DEFAULT_S
        backup.execute("ROLLBACK")


def test_what_cannot_be_read_now_is_presumed_unread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EmbeddedLog(path, QUICK)
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert source.poll(0).at_end == {SHARD}
        with monkeypatch.context() as patched:
            patched.setattr(Store, "check_file", unavailable)
            batch = source.poll(0)
        assert (batch.records, batch.at_end, FRAMES in batch.unread) == ((), frozenset(), True)
        assert source.poll(0).at_end == {SHARD}


def unavailable(*_: object) -> None:
    raise LogUnavailableError("the disk does not answer")


def test_records_of_a_poll_that_fails_half_way_come_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EmbeddedLog(path, QUICK)
    publish(log, *frames(b"1", b"2"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        with monkeypatch.context() as patched:
            patched.setattr(Store, "count", unavailable_after_reading)
            patched.setattr(Store, "ids", ids_that_fail_at_the_end(Store.ids))
            assert source.poll(0).records == ()
        assert values(source.poll(0)) == [b"1", b"2"]


def unavailable_after_reading(*_: object) -> int:
    raise LogUnavailableError("the disk does not answer")


def ids_that_fail_at_the_end(ids: Callable[..., list[int]]) -> Callable[..., list[int]]:
    def read(store: Store, topic: object, start: int, limit: int) -> list[int]:
        if limit == 1:
            raise LogUnavailableError("the disk does not answer")
        return ids(store, topic, start, limit)

    return read


def test_a_take_over_that_fails_while_reading_back_takes_the_lines_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EmbeddedLog(path, QUICK)
    publish(log, *frames(b"1"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        with monkeypatch.context() as patched:
            patched.setattr(EmbeddedSource, "_assignment", unavailable)
            assert not any(source.poll(0).gained for _ in range(3))
        assert source.poll(0).gained
        assert values(source.poll(0)) == [b"1"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT epoch FROM leases").fetchone() == (1,)


def test_the_lag_counts_what_was_not_given_yet(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_records=2))
    publish(log, *frames(b"1", b"2", b"3"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert [source.poll(0).lag[FRAMES] for _ in range(2)] == [1, 0]


def test_a_long_reader_does_not_let_the_wal_fill_the_disk(path: Path) -> None:
    settings = EmbeddedSettings(busy_s=0.2, max_wal_bytes=4 * MIB)
    log = EmbeddedLog(path, settings)
    with closing(log.publisher()) as publisher, closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN")
        shell.execute("SELECT count(*) FROM records").fetchone()
        with pytest.raises(LogUnavailableError, match="keeps reading one state of the log"):
            publish_many(publisher, 200)
        assert path.with_name("log.db-wal").stat().st_size < 5 * MIB
        shell.execute("ROLLBACK")
        publish_many(publisher, 200)
        assert path.with_name("log.db-wal").stat().st_size < 17 * MIB


def publish_many(publisher: EmbeddedPublisher, count: int) -> None:
    for _ in range(count):
        publisher.publish(frames(bytes(50_000)))


# Damage


def take_over(path: Path) -> list[Record]:
    """The verdicts that a successor reads back, from the first one on."""
    with closing(EmbeddedLog(path).source(["l1"], "qa", "w")) as source:
        (assignment,) = source.poll(0).gained
        return list(assignment.verdicts)


@pytest.fixture
def verdicts(path: Path) -> Path:
    """A log with three verdicts, the second of seven pages, which the next owner reads back."""
    log = EmbeddedLog(path)
    with closing(log.source(["l1"], "qa", "w")) as source, closing(log.sink()) as sink:
        epoch = source.poll(0).epoch
        outputs = [output("verdicts", value) for value in (b"first", b"A" * 100_000, b"third")]
        sink.commit(outputs, {FRAMES: Position(1, OffsetMetadata(1, verdicts=0).encode())}, epoch)
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET value = 5 WHERE id = 2",
        "UPDATE records SET value = 'text' WHERE id = 2",
        "UPDATE records SET type = x'ff00' WHERE id = 2",
        "UPDATE records SET type = CAST(x'ff41' AS TEXT) WHERE id = 2",
        "UPDATE records SET key = 1.5 WHERE id = 2",
        "UPDATE records SET append_ns = 'x' WHERE id = 2",
    ],
)
def test_a_row_of_the_wrong_types_keeps_nobody_from_starting(verdicts: Path, damage: str) -> None:
    with closing(sqlite3.connect(verdicts)) as db:
        db.execute(damage)
        db.commit()
    read = take_over(verdicts)
    assert values(read)[::2] == [b"first", b"third"]
    assert [type(part) for part in (read[1].key, read[1].value, read[1].type, read[1].append_ns)] == [
        bytes,
        bytes,
        str,
        int,
    ]


def test_what_is_read_back_is_read_in_bounded_slices(verdicts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slices: list[int] = []
    some = Store.some

    def watched(store: Store, *arguments: object) -> tuple[list[Record], bool]:
        slices.append(len((read := some(store, *arguments))[0]))  # type: ignore[arg-type]
        return read

    with closing(EmbeddedLog(verdicts, EmbeddedSettings(max_poll_bytes=50_000)).source(["l1"], "qa", "w")) as source:
        (assignment,) = source.poll(0).gained
        monkeypatch.setattr(Store, "some", watched)
        assert [len(record.value) for record in assignment.verdicts] == [5, 100_000, 5]
        assert slices == [2, 1]
        assert (assignment.verdicts[-1].value, len(assignment.verdicts), len(assignment.verdicts[1:])) == (
            b"third",
            3,
            2,
        )


@pytest.mark.parametrize("memo", ["{", "[]", '{"read":-1}', "\xff", "5"])
def test_a_damaged_memo_reads_all_back(verdicts: Path, memo: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(verdicts)) as db:
        db.execute("UPDATE positions SET memo = ?", (memo,))
        db.commit()
    assert len(take_over(verdicts)) == 3
    assert "so that none is written twice" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE topics SET name = x'ff01' WHERE id = 1",
        "UPDATE topics SET hold = 'a' WHERE id = 1",
        "UPDATE positions SET next = 'a'",
    ],
)
def test_damaged_topics_and_positions_end_with_an_explanation(verdicts: Path, damage: str) -> None:
    with closing(sqlite3.connect(verdicts)) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises(LogError, match="is damaged"):
        take_over(verdicts)


def damage_page(path: Path, matches: Callable[[bytes], bool], head: bytes) -> None:
    data = bytearray(path.read_bytes())
    starts = [at for at in range(0, len(data), PAGE_BYTES) if matches(bytes(data[at : at + PAGE_BYTES]))]
    assert starts
    data[starts[0] : starts[0] + len(head)] = head
    path.write_bytes(data)


def test_a_value_with_damaged_pages_is_skipped_and_reported(verdicts: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage_page(verdicts, lambda page: page[4:].count(b"A") == PAGE_BYTES - 4, b"\xff\xff\xff\xff")
    assert values(take_over(verdicts)) == [b"first", b"", b"third"]
    assert "Record 2 of qa.l1.verdicts is skipped" in caplog.text
    assert ".recover" in caplog.text


def test_damaged_tables_end_every_reader_with_an_explanation(verdicts: Path) -> None:
    with closing(sqlite3.connect(verdicts)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records_of_topic'").fetchone()
    data = bytearray(verdicts.read_bytes())
    data[(root - 1) * PAGE_BYTES] = 0x77
    verdicts.write_bytes(data)
    with pytest.raises(LogError, match=r"is damaged .*\.recover") as caught:
        take_over(verdicts)
    assert not isinstance(caught.value, LogUnavailableError)


def test_no_more_is_read_of_a_foreign_row_than_a_record_may_have(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_record_bytes=1000))
    publish(log, output("verdicts", b"1"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE records SET value = zeroblob(50000000), key = zeroblob(1000000)")
        db.commit()
    with closing(log.tail(Start(earliest=True))) as tail:
        (record,) = tail.poll(0)
    assert (len(record.value), record.key) == (1001, b"")


def test_a_record_that_is_too_large_is_not_appended(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_record_bytes=1000))
    with closing(log.publisher()) as publisher:
        publisher.publish(frames(bytes(1000)))
        with pytest.raises(LogError, match=r"1001 bytes .* max_record_bytes = 1000"):
            publisher.publish(frames(bytes(1001)))
        with pytest.raises(LogError, match="key of 70000 bytes"):
            publisher.publish([Output(FRAMES.topic, None, bytes(70_000), b"1", "t")])


def test_a_tail_from_earliest_is_bounded_in_bytes(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_bytes=1000))
    publish(log, *[output("verdicts", bytes(600))] * 5)
    with closing(log.tail(Start(earliest=True))) as tail:
        assert [len(tail.poll(0)) for _ in range(4)] == [2, 2, 1, 0]


def test_an_outage_is_logged_once_and_its_end_too(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(busy_s=0.02))
    with (
        closing(log.source(["l1"], "qa", "w")) as source,
        closing(log.sink()) as sink,
        caplog.at_level(logging.WARNING),
    ):
        epoch = source.poll(0).epoch
        backup = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        backup.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, backup.execute, ["ROLLBACK"])
        timer.start()
        sink.commit([output("verdicts", b"v")], {}, epoch)
        timer.join()
        backup.close()
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2
    assert "another process" in lines[0]
    assert "continues after an interruption" in lines[1]
