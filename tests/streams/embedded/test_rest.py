"""A line at rest is not read again until somebody writes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.source import EmbeddedSource
from streams.embedded.store import Store
from streams.log import LogError
from streams.records import Output, Shard

FRAME = Output("qa.l1.frames", None, b"st", b"frame", "inspection.v1.CameraFrame")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Store]:
    """The reading transactions begun so far."""
    begun: list[Store] = []
    read = Store.read

    def counted(store: Store) -> AbstractContextManager[None]:
        begun.append(store)
        return read(store)

    monkeypatch.setattr(Store, "read", counted)
    return begun


@pytest.fixture
def log(tmp_path: Path) -> EmbeddedLog:
    return EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings(lease_s=60.0))


@pytest.fixture
def source(log: EmbeddedLog, reads: list[Store]) -> Iterator[EmbeddedSource]:
    """Of a worker that has its line and has read to the end."""
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0.0)
        source.poll(0.0)
        reads.clear()
        yield source


def publish(log: EmbeddedLog) -> None:
    with closing(log.publisher()) as publisher:
        publisher.publish([FRAME])


def test_polls_without_news_read_nothing_and_confirm_the_end(source: EmbeddedSource, reads: list[Store]) -> None:
    batches = [source.poll(timeout_s) for timeout_s in (0.0, 0.0, 0.02, 0.02)]
    assert reads == []
    assert all(batch.at_end == {Shard("l1", 0)} and not batch.unread for batch in batches)


def test_a_record_is_read_at_the_next_poll(log: EmbeddedLog, source: EmbeddedSource, reads: list[Store]) -> None:
    publish(log)
    assert [record.value for record in source.poll(0.0).records] == [b"frame"]
    assert not source.poll(0.0).records
    reads.clear()
    assert source.poll(0.0).at_end
    assert reads == []


def test_what_waits_behind_a_pause_is_asked_for_at_every_poll(log: EmbeddedLog, source: EmbeddedSource) -> None:
    at = source.poll(0.0).lag.keys()
    source.pause(at)
    publish(log)
    assert source.poll(0.0).unread
    assert source.poll(0.0).unread
    source.pause(set())
    assert source.poll(0.0).records


def test_a_line_that_another_worker_took_is_lost_at_the_next_poll(log: EmbeddedLog, source: EmbeddedSource) -> None:
    with closing(log.source(["l1"], "qa", "w")) as successor:
        assert successor.poll(0.0).gained
        assert source.poll(0.0).lost == {Shard("l1", 0)}


def test_a_file_that_was_replaced_is_noticed_at_rest(log: EmbeddedLog, source: EmbeddedSource, tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").rename(tmp_path / "moved.sqlite")
    with pytest.raises(LogError):
        source.poll(0.0)
    (tmp_path / "moved.sqlite").rename(tmp_path / "log.sqlite")
