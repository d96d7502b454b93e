"""Has frames of a batch decoded before their turn, in the order of the log, as far as threads and memory allow."""

from collections.abc import Callable, Sequence

from streams.records import TYPE_PREFIX, Record

FRAME_TYPE = TYPE_PREFIX + "CameraFrame"
"""All other records are decoded faster than they are handed over."""


class LookAhead:
    """Call `look` and then `take` for each record of the batch."""

    def __init__(
        self, records: Sequence[Record], size_of: Callable[[Record], int], begin: Callable[[Record, int, int], bool]
    ) -> None:
        """`size_of` gives the bytes that a record takes once it is decoded. `begin` gets a frame, its size and the
        bytes of those that were begun before and not taken yet; False: it cannot be begun now."""
        self._records, self._size_of, self._begin = records, size_of, begin
        self._sizes: dict[int, int] = {}
        self._next = 0
        self._has_room = True
        """Whether a frame may be begun: after one could not, only the next one that is taken makes room."""

    def look(self, number: int) -> None:
        """Begins record `number`, whose turn it is, and the next ones."""
        self._next = max(self._next, number)
        if self._has_room or self._next == number:
            self._begin_next()

    def _begin_next(self) -> None:
        while self._next < len(self._records):
            record = self._records[self._next]
            if record.type == FRAME_TYPE:
                size = self._sizes.get(self._next)
                if size is None:
                    size = self._sizes[self._next] = self._size_of(record)
                if not self._begin(record, size, self.num_bytes - size):
                    self._has_room = False
                    return
            self._next += 1
        self._has_room = False

    def take(self, number: int) -> int:
        """The size of a record whose turn it is."""
        size = self._sizes.pop(number, None)
        self._has_room = self._has_room or size is not None
        return self._size_of(self._records[number]) if size is None else size

    @property
    def num_bytes(self) -> int:
        """Bytes of the frames that were looked at and not taken yet."""
        return sum(self._sizes.values())
