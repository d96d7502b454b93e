"""Numbers by key, with the lowest at hand: what a heap is for, where the numbers of keys change."""

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key", int, tuple[str, int])
Number = TypeVar("Number", int, float)
_STALE = 64
"""So many outdated entries are kept at least."""


class Lowest(Generic[Key, Number]):
    """Each key has at most one number. Keys with equal numbers come in the order of the keys."""

    def __init__(self) -> None:
        self._numbers: dict[Key, Number] = {}
        self._heap: list[tuple[Number, Key]] = []
        """Holds an entry for each number; entries that do not match `_numbers` are outdated."""

    def __len__(self) -> int:
        return len(self._numbers)

    def set(self, key: Key, number: Number) -> None:
        """Gives a key its number, in place of an earlier one."""
        if self._numbers.get(key) == number:
            return
        self._numbers[key] = number
        heapq.heappush(self._heap, (number, key))
        if len(self._heap) > 2 * len(self._numbers) + _STALE:
            self._heap = [(number, key) for key, number in self._numbers.items()]
            heapq.heapify(self._heap)

    def discard(self, key: Key) -> None:
        self._numbers.pop(key, None)

    @property
    def first(self) -> tuple[Number, Key] | None:
        """The lowest number and its key; None without any."""
        heap, numbers = self._heap, self._numbers
        while heap and numbers.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0] if heap else None

    @property
    def lowest(self) -> Number | None:
        first = self.first
        return None if first is None else first[0]

    def pop_through(self, limit: Number) -> list[Key]:
        """Removes and returns the keys whose numbers are not above the limit, lowest first."""
        keys: list[Key] = []
        while (first := self.first) is not None and first[0] <= limit:
            heapq.heappop(self._heap)
            del self._numbers[first[1]]
            keys.append(first[1])
        return keys
