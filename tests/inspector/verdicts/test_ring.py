"""The ring and the index: their content, and how they report dropped entries."""

import pytest

from inspector.verdicts.index import VerdictIndex
from inspector.verdicts.ring import ENTRY_OVERHEAD_BYTES, Entry, Ring, RingClosedError, RingPassedError, entries_of
from streams.observation import InspectionId
from streams.records import Record, TopicPartition
from streams.resume_token import ResumePoint

P0, P1 = TopicPartition("t.a.verdicts", 0), TopicPartition("t.a.verdicts", 1)


def entry(offset: int, source: TopicPartition = P0, append_ns: int = 0, size: int = 100) -> Entry:
    inspection = InspectionId("a", "s", f"{source.partition}-{offset}")
    return Entry(source, offset, append_ns, inspection, "p", 1, b"v" * size)


def ring(max_bytes: int = 10**6, max_age_s: float = 1e6, max_count: int = 1000) -> Ring:
    created = Ring(max_bytes, max_age_s, max_count)
    created.restart({P0: 0, P1: 0})
    return created


def offsets(held: Ring) -> list[int]:
    return [entry.offset for entry in held.read(held.first, 10**6)]


@pytest.mark.parametrize(
    ("bounds", "held"),
    [
        ({"max_count": 3}, [7, 8, 9]),
        ({"max_bytes": 4 * (100 + ENTRY_OVERHEAD_BYTES)}, [6, 7, 8, 9]),
        ({"max_age_s": 2.0}, [7, 8, 9]),
        ({}, list(range(10))),
    ],
)
def test_bounds(bounds: dict[str, int], held: list[int]) -> None:
    bounded = ring(**bounds)
    for offset in range(10):
        bounded.push([entry(offset, append_ns=offset * 10**9)], {P0: offset + 1, P1: 0}, offset * 10**9)
    assert offsets(bounded) == held
    assert bounded.num_bytes == len(held) * (100 + ENTRY_OVERHEAD_BYTES)


def test_age_drops_without_new_entries() -> None:
    aged = ring(max_age_s=1.0)
    aged.push([entry(0)], {P0: 1}, 0)
    aged.push([], {P0: 1}, 2 * 10**9)
    assert aged.first == aged.end


@pytest.mark.parametrize(
    ("vector", "covered"),
    [({P0: 5, P1: 1}, True), ({P0: 4, P1: 1}, False), ({P0: 9, P1: 0}, False), ({P0: 9, P1: 9}, True), ({}, False)],
)
def test_covers_from_the_first_offset_that_was_not_dropped(vector: dict[TopicPartition, int], covered: bool) -> None:
    held = ring(max_count=3)
    held.push([entry(0, P1), *(entry(offset) for offset in range(8))], {P0: 8, P1: 1}, 0)
    assert held.covers(vector) is covered


def test_a_partition_that_appears_later_is_covered_from_its_first_record() -> None:
    held = Ring(10**6, 1e6, 100)
    held.restart({P0: 3})
    held.push([entry(0, P1)], {P0: 3, P1: 1}, 0)
    assert held.covers({P0: 3})


def test_seek_finds_the_first_entry_not_yet_delivered() -> None:
    held = ring()
    held.push([entry(0), entry(0, P1), entry(1), entry(1, P1)], {P0: 2, P1: 2}, 0)
    assert [held.seek(vector) - held.first for vector in ({}, {P0: 1}, {P0: 2, P1: 1}, {P0: 2, P1: 2})] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("positions", "identities", "can_resume"),
    [
        ({P0: 8, P1: 1}, {}, True),
        ({P0: 6, P1: 1}, {"t.a.verdicts": "id"}, True),
        ({P0: 6, P1: 1}, {"t.a.verdicts": "another"}, False),
        ({P0: 6, P1: 1}, {"t.b.verdicts": "id"}, False),
        ({P0: 9, P1: 1}, {}, False),
        ({P0: 4, P1: 1}, {}, False),
        ({P0: 8, P1: 1, TopicPartition("t.b.verdicts", 0): 0}, {}, False),
    ],
)
def test_a_point_is_resumed_that_is_of_these_topics_and_neither_dropped_nor_ahead(
    positions: dict[TopicPartition, int], identities: dict[str, str], can_resume: bool
) -> None:
    held = ring(max_count=3)
    held.identities = {"t.a.verdicts": "id"}
    held.push([entry(0, P1), *(entry(offset) for offset in range(8))], {P0: 8, P1: 1}, 0)
    assert held.can_resume(ResumePoint(positions, identities)) is can_resume


def test_a_reader_that_was_overtaken_learns_it() -> None:
    held = ring(max_count=2)
    number = held.end
    held.push([entry(offset) for offset in range(3)], {P0: 3}, 0)
    with pytest.raises(RingPassedError):
        held.read(number, 10)


def test_a_restart_passes_readers_that_were_at_the_end() -> None:
    held = ring()
    number = held.end
    held.restart({P0: 7})
    with pytest.raises(RingPassedError):
        held.read(number, 10)
    assert not held.covers({P0: 6})


def test_a_closed_ring_gives_what_came_before_and_nothing_behind_it() -> None:
    held = ring()
    number = held.end
    held.push([entry(9)], {P0: 10}, 0)
    held.close()
    assert [each.offset for each in held.read(number, 10)] == [9]
    with pytest.raises(RingClosedError):
        held.read(held.end, 10)


@pytest.mark.parametrize(
    ("max_bytes", "max_age_s", "known", "since_ns"),
    [
        (10**6, 1e6, [0, 1, 2, 3], -5),
        (2 * (100 + ENTRY_OVERHEAD_BYTES), 1e6, [2, 3], 10**9 + 1),
        (10**6, 1.0, [2, 3], 10**9 + 1),
    ],
)
def test_index_knows_since_when(max_bytes: int, max_age_s: float, known: list[int], since_ns: int) -> None:
    index = VerdictIndex(max_bytes, max_age_s, since_ns=-5)
    for offset in range(4):
        index.add(entry(offset, append_ns=offset * 10**9), offset * 10**9)
    assert [offset for offset in range(4) if index.find(InspectionId("a", "s", f"0-{offset}"))] == known
    assert index.since_ns == since_ns


def test_index_counts_a_doubled_inspection_once() -> None:
    index = VerdictIndex(10**6, 1e6, since_ns=0)
    index.add(entry(0), 0)
    index.add(entry(0), 0)
    assert index.num_bytes == 100 + ENTRY_OVERHEAD_BYTES


def test_what_is_no_verdict_is_passed_over_and_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    records = [Record("t.a.verdicts", 0, offset, b"s", b"\xff", "", 1) for offset in range(5, 105)]
    assert entries_of(records) == []
    assert caplog.messages == ["t.a.verdicts/0: skipped 100 records that are no verdicts, the first at offset 5."]
