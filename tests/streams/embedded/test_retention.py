"""The embedded log deletes by kind, size and age, even when the machine's clock jumps."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.retention import Retention
from streams.embedded.store import Store
from streams.log import LogFullError, Publisher, Start
from streams.records import Output
from tests.embedded_parts import TOPICS, frames, output, publish, verdict_values

MIB = 2**20
DAY_S = 86_400.0
SMALL = EmbeddedSettings(max_bytes=4 * MIB)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def publisher(path: Path) -> Iterator[Publisher]:
    with closing(EmbeddedLog(path, SMALL).publisher()) as opened:
        yield opened


def in_batches(publisher: Publisher, record: Output, count: int) -> None:
    for _ in range(count // 50):
        publisher.publish([record] * 50)


@pytest.mark.parametrize("kind", ["feedback", "dead-letters", "shadow"])
def test_a_flood_of_another_kind_leaves_all_verdicts(path: Path, publisher: Publisher, kind: str) -> None:
    verdicts = [b"%d" % index for index in range(500)]
    publisher.publish([output("verdicts", value) for value in verdicts])
    in_batches(publisher, output(kind, bytes(4096)), 4000 if kind == "feedback" else 500)
    with closing(EmbeddedLog(path).publisher()) as other:
        other.publish([output("verdicts", b"later")])
    assert verdict_values(EmbeddedLog(path)) == [*verdicts, b"later"]


def test_a_flood_keeps_its_newest(path: Path, publisher: Publisher) -> None:
    for index in range(300):
        publisher.publish([output("feedback", b"%4096d" % index)])
    with closing(EmbeddedLog(path)._follow("feedback", Start(earliest=True))) as tail:
        kept = [int(record.value) for record in tail.poll(0)]
    assert kept == list(range(300 - len(kept), 300))
    assert len(kept) * (4096 + 2 + 512) <= 4 * MIB / 16 < (len(kept) + 5) * (4096 + 2 + 512)


def test_unread_input_leaves_room_for_verdicts_and_feedback(path: Path, publisher: Publisher) -> None:
    with pytest.raises(LogFullError, match=r"no room for .* of input: .* start the worker, or raise max_bytes"):
        in_batches(publisher, output("frames", bytes(20_000)), 1000)
    publisher.publish([output("verdicts", bytes(MIB // 2)), output("feedback", bytes(4096))])
    assert [len(value) for value in verdict_values(EmbeddedLog(path))] == [MIB // 2]


def test_more_than_a_share_holds_is_refused_with_the_size_that_would_do(publisher: Publisher) -> None:
    with pytest.raises(LogFullError, match=r"at once: .* raise max_bytes to \d+"):
        publisher.publish(frames(bytes(3 * MIB)))


def test_control_that_may_not_be_deleted_is_named(publisher: Publisher) -> None:
    records = [Output(TOPICS.of("control"), 0, b"%d" % index, bytes(10_000), "t") for index in range(40)]
    publisher.publish(records[:20])
    with pytest.raises(LogFullError, match=r"of control: .* remove deployments .* or raise max_bytes"):
        publisher.publish(records[20:])


def test_compacted_records_give_their_room_back(publisher: Publisher) -> None:
    for _ in range(200):
        publisher.publish([Output(TOPICS.of("control"), 0, b"k", bytes(10_000), "t")])


def test_the_file_stays_within_its_size(path: Path, publisher: Publisher) -> None:
    with (
        closing(EmbeddedLog(path, SMALL).sink()) as sink,
        closing(EmbeddedLog(path).source(["l1"], "qa", "w")) as source,
    ):
        epoch = source.poll(0).epoch
        for index in range(60):
            publisher.publish([output("feedback", bytes(9000)), output("shadow", bytes(700))] * 10)
            sink.commit([output("verdicts", b"%1200d" % index)] * 20, {}, epoch)
        with closing(Store(path, SMALL)) as store:
            assert MIB < store.live_bytes() <= SMALL.max_bytes


class Clocks:
    """A wall clock that can be set, beside one that cannot."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.set_s = 0.0
        self._began_ns = time.time_ns()

    def monotonic(self) -> float:
        return self.passed_s

    def wall_ns(self) -> int:
        return self._began_ns + int((self.passed_s + self.set_s) * 1e9)


def kept(path: Path, clocks: Clocks, retention: Retention, store: Store) -> int:
    clocks.passed_s += 2.0
    with store.write(durable=False):
        retention.drop_old()
    return len(verdict_values(EmbeddedLog(path)))


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, EmbeddedSettings())) as opened:
        yield opened


def test_a_clock_that_is_set_ahead_deletes_nothing(path: Path, store: Store) -> None:
    clocks = Clocks()
    retention = Retention(store, EmbeddedSettings(), clocks.monotonic, clocks.wall_ns)
    publish(EmbeddedLog(path), *[output("verdicts", b"1")] * 3)
    clocks.set_s = 30 * DAY_S
    assert kept(path, clocks, retention, store) == 3
    clocks.set_s, clocks.passed_s = 0.0, 8 * DAY_S
    assert kept(path, clocks, retention, store) == 0


def test_records_stamped_by_a_clock_that_was_ahead_are_deleted_in_their_order(path: Path, store: Store) -> None:
    clocks = Clocks()
    retention = Retention(store, EmbeddedSettings(), clocks.monotonic, clocks.wall_ns)
    publish(EmbeddedLog(path), *[output("verdicts", b"ahead")] * 200)
    store.execute("UPDATE records SET append_ns = append_ns + ?", int(400 * DAY_S * 1e9))
    publish(EmbeddedLog(path), *[output("verdicts", b"right")] * 200)
    clocks.passed_s = 6 * DAY_S
    assert kept(path, clocks, retention, store) == 400
    clocks.passed_s = 8 * DAY_S
    assert kept(path, clocks, retention, store) == 0
