"""Follows the verdict (or control) topics of a file from a token, a time, the oldest or the newest record."""

import time
from collections.abc import Mapping, Sequence

from streams import resume_token
from streams.deadline import Deadline
from streams.embedded.settings import EmbeddedSettings
from streams.embedded.store import Store, Topic
from streams.log import Gap, Start, TokenExpiredError, TokenInvalidError
from streams.records import Record, TopicPartition
from streams.resume_token import ResumePoint


class EmbeddedTail:
    """Records of one kind of topic, of all lines, in the order of writing. Follows lines that appear later as well."""

    def __init__(self, store: Store, settings: EmbeddedSettings, start: Start, kind: str = "verdicts") -> None:
        self._store = store
        self._settings = settings
        self._suffix = f".{kind}"
        self._gaps: list[Gap] = []
        with store.read():
            self._identity = store.log_identity()
            self._next = self._begin(start)

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Raises TokenExpiredError when records were deleted before this reader reached them."""
        deadline = Deadline.after(timeout_s)
        while True:
            records = self._snapshot()
            if records or deadline.is_over:
                return records
            self._wait(deadline)

    def _wait(self, deadline: Deadline) -> None:
        """Returns when a record of this kind has come, or at the deadline. Records of other kinds, which most commits
        bring, cost a look at the index."""
        first = min(self._next.values(), default=0)
        while not self._store.has_kind(self._suffix, first) and not deadline.is_over:
            deadline.sleep(self._settings.tail_look_s)

    @property
    def is_away(self) -> bool:
        """Always False: a file that cannot be read raises an error."""
        return False

    def position(self) -> Mapping[TopicPartition, int]:
        return dict(self._next)

    def identities(self) -> Mapping[str, str]:
        return {at.topic: self._identity for at in self._next} if self._identity else {}

    @property
    def gaps(self) -> Sequence[Gap]:
        return self._gaps

    def close(self) -> None:
        self._store.close()

    def _begin(self, start: Start) -> dict[TopicPartition, int]:
        topics = self._store.topics(self._suffix)
        if start.token is not None:
            point = resume_token.read(start.token)
            return self._resume_past_gaps(point, topics) if start.skip_lost else self._resume(point, topics)
        if start.time_ns is not None:
            return {topic.partition: self._first_since(topic, start.time_ns) for topic in topics}
        if start.earliest:
            return {topic.partition: topic.floor for topic in topics}
        return {topic.partition: self._store.end() for topic in topics}

    def _resume(self, point: ResumePoint, topics: Sequence[Topic]) -> dict[TopicPartition, int]:
        """A topic that is not in the token is newer than the token: it is read from its beginning."""
        positions = point.positions
        if not positions.keys() <= {topic.partition for topic in topics} or self._is_of_another_log(point):
            raise TokenInvalidError(
                f"the resume token names {sorted(positions.items())}, expected topics and offsets of "
                f"{self._store.path}: start with live or earliest"
            )
        starts = {topic.partition: positions.get(topic.partition, 0) for topic in topics}
        for topic in topics:
            self._check_kept(topic, starts[topic.partition])
        return starts

    def _resume_past_gaps(self, point: ResumePoint, topics: Sequence[Topic]) -> dict[TopicPartition, int]:
        """Topics of the token that this log does not have count as recreated: they may come again."""
        is_replaced = self._is_of_another_log(point)
        starts = {}
        known = {topic.partition for topic in topics}
        self._gaps += [
            Gap(at, first, 0, time.time_ns(), is_recreated=True)
            for at, first in point.positions.items()
            if at not in known
        ]
        for topic in topics:
            first = point.positions.get(topic.partition, 0)
            starts[topic.partition] = topic.floor if is_replaced else max(first, topic.floor)
            if topic.partition in point.positions and starts[topic.partition] != first:
                self._gaps.append(Gap(topic.partition, first, topic.floor, self._oldest_ns(topic), is_replaced))
        return starts

    def _is_of_another_log(self, point: ResumePoint) -> bool:
        """Tokens of earlier versions have no identity: their offsets alone can show it."""
        is_other = any(identity != self._identity for identity in point.identities.values())
        return is_other or max(point.positions.values(), default=0) > self._store.end()

    def _check_kept(self, topic: Topic, start: int) -> None:
        if start < topic.floor:
            raise self._expired(f"offset {start} of {topic.name}", topic)

    def _first_since(self, topic: Topic, time_ns: int) -> int:
        if topic.floor and time_ns <= topic.floor_ns:
            raise self._expired(f"the time {time_ns} on {topic.name}", topic)
        return self._store.first_since(topic, time_ns)

    def _oldest_ns(self, topic: Topic) -> int:
        row = self._store.execute(
            "SELECT append_ns FROM records WHERE topic = ? ORDER BY id LIMIT 1", topic.id
        ).fetchone()
        return time.time_ns() if row is None else int(row[0])

    def _expired(self, what: str, topic: Topic) -> TokenExpiredError:
        oldest_ns = self._oldest_ns(topic)
        return TokenExpiredError(
            f"{what} was deleted; the oldest record left is from {oldest_ns} ns: start with earliest or at that time",
            oldest_ns,
        )

    def _snapshot(self) -> list[Record]:
        with self._store.read():
            topics = self._store.topics(self._suffix)
            starts = {topic.partition: self._next.get(topic.partition, 0) for topic in topics}
            for topic in topics:
                self._check_kept(topic, starts[topic.partition])
            limit = self._settings.max_poll_records
            records, is_all = self._store.some(self._store.next_ids(topics, starts, limit), topics)
            if is_all and len(records) < limit:
                starts = dict.fromkeys(starts, self._store.end())
            else:
                starts |= {TopicPartition(record.topic, 0): record.offset + 1 for record in records}
        self._next = starts
        return records
