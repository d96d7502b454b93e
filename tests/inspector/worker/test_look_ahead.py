"""Frames are begun before their turn, in order, within threads and memory."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.worker.look_ahead import FRAME_TYPE, LookAhead
from streams.records import Record

MAX_BYTES, MAX_BEGUN = 10, 2


def record(number: int, size: int | None) -> Record:
    """A frame of this decoded size, or another record."""
    return Record("frames", 0, number, b"st", b"x" * (size or 0), "" if size is None else FRAME_TYPE, 0)


class Line:
    """Threads and memory for what is decoded ahead; frames above `MAX_BYTES` never fit."""

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self.records = [record(number, size) for number, size in enumerate(sizes)]
        self.begun: list[int] = []
        self.taken: set[int] = set()
        self.most_bytes = self.num_sized = 0

    def size_of(self, record: Record) -> int:
        self.num_sized += 1
        return len(record.value)

    def begin(self, record: Record, size: int, ahead_bytes: int) -> bool:
        waiting = [number for number in self.begun if number not in self.taken]
        assert ahead_bytes >= sum(len(self.records[number].value) for number in waiting)
        if len(waiting) >= MAX_BEGUN or ahead_bytes + size > MAX_BYTES:
            return False
        self.begun.append(record.offset)
        self.most_bytes = max(self.most_bytes, ahead_bytes + size)
        return True

    def run(self) -> None:
        ahead = LookAhead(self.records, self.size_of, self.begin)
        for number, each in enumerate(self.records):
            ahead.look(number)
            assert ahead.take(number) == len(each.value)
            self.taken.add(number)
        assert ahead.num_bytes == 0


@pytest.mark.parametrize(
    ("sizes", "begun"),
    [
        ([1, None, 1, None, 1], [0, 2, 4]),
        ([4, 4, 4], [0, 1, 2]),
        ([8, 8, 8], [0, 1, 2]),
        ([99, 1, 1], [1, 2]),
        ([None, None], []),
    ],
)
def test_frames_are_begun_in_order(sizes: list[int | None], begun: list[int]) -> None:
    line = Line(sizes)
    line.run()
    assert line.begun == begun


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(0, 12), max_size=40))
def test_the_bounds_hold_and_no_record_is_sized_twice(sizes: list[int | None]) -> None:
    line = Line(sizes)
    line.run()
    assert line.begun == sorted(set(line.begun))
    assert line.most_bytes <= MAX_BYTES
    assert line.num_sized == len(sizes)


def test_both_bounds_are_reached() -> None:
    line = Line([5, 5, 1, 1, 1])
    line.run()
    assert line.most_bytes == MAX_BYTES
    assert line.begun == [0, 1, 2, 3, 4]
