"""Deletes records that are too old or too many, oldest first, and never one that is still needed.

Every kind of record has its share of `max_bytes`: a flood of one kind never displaces another.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from streams.embedded.settings import EmbeddedSettings
from streams.embedded.store import Store, Topic, size_of
from streams.log import LogFullError
from streams.records import CONTROL_KIND, INPUT_KINDS, Output

_ROWS = 64
_FEW_ROWS = 4
"""Frees space in small steps: the share of a small log holds only a few dozen feedback records."""
_EVERY_S = 1.0
_ROUNDS = 20
"""Bounds what one transaction deletes: 1,280 rows, every second."""
_INPUT = "input"
_VERDICTS = "verdicts"
_SHARES = {_INPUT: 1 / 2, _VERDICTS: 1 / 4}
_SMALL_SHARE = 1 / 16
"""Of dead letters, feedback, shadow verdicts and control each."""
_HELD = {
    _INPUT: "no worker has read it yet: start the worker",
    CONTROL_KIND: "none of it may be deleted: remove deployments that are not needed",
    _VERDICTS: "the worker reads it back when it starts again",
}

_Rows = list[tuple[int, int]]
"""Offset and time of appending, in the order of the offsets."""


def share_of(kind: str) -> str:
    """The share of a kind of record: frames, signals and pieces have one in common."""
    return _INPUT if kind in INPUT_KINDS else kind


class Retention:
    """Keeps one file within age and size. Call its methods within `Store.write`."""

    def __init__(
        self,
        store: Store,
        settings: EmbeddedSettings,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._settings = settings
        self._monotonic, self._wall_ns = monotonic, wall_ns
        self._began = wall_ns(), monotonic()
        self._next_s = monotonic()

    def drop_old(self) -> None:
        """Deletes some records older than `max_age_s`, and some of shares that are too full; works once a second at
        most."""
        if self._monotonic() < self._next_s:
            return
        self._next_s = self._monotonic() + _EVERY_S
        cutoff_ns = self._now_ns() - int(self._settings.max_age_s * 1e9)
        for _ in range(_ROUNDS):
            if not self._drop(self._store.topics(), cutoff_ns):
                break
        for share in {share_of(topic.kind) for topic in self._store.topics()}:
            for _ in range(_ROUNDS * _ROWS // _FEW_ROWS):
                if self._used(share) <= self._room(share) or not self._drop(self._topics(share)):
                    break

    def make_room(self, outputs: Sequence[Output]) -> None:
        """Deletes the oldest of the same share until the outputs fit. Raises LogFullError."""
        needed: Counter[str] = Counter()
        for output in outputs:
            needed[share_of(output.topic.rpartition(".")[2])] += size_of(output)
        for share, size in needed.items():
            while self._used(share) + size > self._room(share):
                if not self._drop(self._topics(share)):
                    raise self._full(share, size)
        self._make_room_in_file(sum(needed.values()), next(iter(needed), _INPUT))

    def _make_room_in_file(self, size: int, share: str) -> None:
        """Half-empty pages take more space than the shares count: deletes old input first, and never verdicts."""
        while self._store.live_bytes() + size > self._settings.max_bytes:
            others = [topic for topic in self._store.topics() if topic.kind not in (*INPUT_KINDS, _VERDICTS)]
            if not (self._drop(self._topics(_INPUT)) or self._drop(others)):
                raise self._full(share, size)

    def _full(self, share: str, size: int) -> LogFullError:
        path, room, limit = self._store.path, self._room(share), self._settings.max_bytes
        if size > room:
            least = int(size * limit / max(1, room)) + 1
            return LogFullError(
                f"{path} has no room for {size} bytes of {share} at once: max_bytes {limit} gives {room} bytes to "
                f"{share}: send fewer at once, or raise max_bytes to {least}"
            )
        return LogFullError(
            f"{path} has no room for {size} bytes of {share}: {self._used(share)} of the {room} bytes that max_bytes "
            f"{limit} gives to {share} are used, {self._store.live_bytes()} in all, and "
            f"{_HELD.get(share, 'none of it may be deleted')}, or raise max_bytes"
        )

    def _topics(self, share: str) -> list[Topic]:
        return [topic for topic in self._store.topics() if share_of(topic.kind) == share]

    def _used(self, share: str) -> int:
        return sum(topic.bytes for topic in self._topics(share))

    def _room(self, share: str) -> int:
        return int(self._settings.max_bytes * _SHARES.get(share, _SMALL_SHARE))

    def _now_ns(self) -> int:
        """The wall clock, but never further ahead than the time that has passed: setting the clock a week ahead deletes
        nothing."""
        wall_ns, monotonic_s = self._began
        return min(self._wall_ns(), wall_ns + int((self._monotonic() - monotonic_s) * 1e9))

    def _drop(self, topics: Iterable[Topic], cutoff_ns: int | None = None) -> int:
        """Deletes a few of the oldest records, or up to 64 of those appended before the cutoff; returns how many."""
        limit = _FEW_ROWS if cutoff_ns is None else _ROWS
        oldest = sorted(
            (record_id, append_ns, topic.id)
            for topic in topics
            for record_id, append_ns in self._deletable(topic, cutoff_ns, limit)
        )[:limit]
        for record_id, append_ns, topic_id in oldest:
            self._store.delete(topic_id, record_id)
            self._store.execute(
                "UPDATE topics SET floor = ?, floor_ns = ? WHERE id = ?", record_id + 1, append_ns, topic_id
            )
        return len(oldest)

    def _deletable(self, topic: Topic, cutoff_ns: int | None, limit: int) -> _Rows:
        rows = self._rows(topic, 0, limit)
        if cutoff_ns is None or not rows:
            return rows
        while rows and rows[-1][1] >= cutoff_ns and not self._is_followed_by_older(topic, rows[-1], cutoff_ns):
            rows.pop()
        return rows

    def _is_followed_by_older(self, topic: Topic, row: tuple[int, int], cutoff_ns: int) -> bool:
        """Whether a record was stamped by a clock that was ahead: a record appended later is older than the cutoff.
        Checks a few records at growing distances."""
        offset, append_ns = row
        if append_ns <= self._now_ns():
            return False
        step = 1
        while rows := self._rows(topic, offset + step, 1):
            if rows[0][1] < cutoff_ns:
                return True
            step *= 2
        return False

    def _rows(self, topic: Topic, start: int, limit: int) -> _Rows:
        return self._store.execute(
            "SELECT id, append_ns FROM records WHERE topic = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?",
            topic.id,
            start,
            topic.hold,
            limit,
        ).fetchall()
