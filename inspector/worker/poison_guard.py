"""Decodes in a child process where earlier owners of a partition have died, until reading is past that place.

A worker that dies of a record cannot report it. Its successor sees that it took the partition over and had records to
read, but committed nothing after them (`OffsetMetadata.starts`), or had pieces open and settled none
(`OffsetMetadata.unsettled`, since images are decoded while reading continues). After two such owners the next one
decodes in a child process.
"""

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.process import Decoder
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Assignment
from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.worker.poison_guard")

_GIVEN_UP = {pb.DEAD_LETTER_REASON_POISONED, pb.DEAD_LETTER_REASON_TOO_SLOW}
_SPAN = 1000
"""Offsets read with care: two polls, more than a worker reads between two commits of its positions."""


class CarefulDecoder:
    """Chooses how a record is decoded, by the place where it lies."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._until: dict[TopicPartition, int] = {}
        """Offset up to which the records of a partition are decoded apart."""

    def begin(self, assignment: Assignment) -> None:
        """A shard is taken over."""
        num_before, places = 0, []
        for topic, position in assignment.positions.items():
            memo = OffsetMetadata.decode(position.memo, position.offset)
            if (num_owners := max(memo.starts, memo.unsettled)) > 1:  # this worker is the last of them
                at = TopicPartition(topic, assignment.shard.partition)
                self._until[at] = memo.read + _SPAN
                num_before = max(num_before, num_owners - 1)
                places.append(f"{topic} from offset {position.offset} to {self._until[at]}")
        if places:
            log.warning(
                "Line %s, partition %d: %s start (%s): in case a record there ends the process, the records there are "
                "decoded in a child process.",
                *assignment.shard,
                "the last worker came no further than its"
                if num_before == 1
                else f"the last {num_before} workers came no further than their",
                ", ".join(places),
            )

    def is_at(self, at: TopicPartition) -> bool:
        """Whether records of this partition are decoded with care now."""
        return at in self._until

    def decode(self, record: Record, limits: Limits, line: str, reason_given: int | None) -> Item:
        """`reason_given` is that of the dead letter which is out about the record. Raises DecodingError."""
        if reason_given in _GIVEN_UP:
            return self._decoder.reject_again(record, limits, line, reason_given or 0)
        at = TopicPartition(record.topic, record.partition)
        if at not in self._until:
            return self._decoder.decode(record, limits, line)
        if record.offset < self._until[at]:
            return self._decoder.decode_in_child(record, limits, line)
        self._end({at})
        return self._decoder.decode(record, limits, line)

    def forget(self, is_over: Callable[[TopicPartition], bool]) -> None:
        """These partitions are another worker's now, or read to their end."""
        if self._until:
            self._end({at for at in self._until if is_over(at)})

    def _end(self, places: AbstractSet[TopicPartition]) -> None:
        self._until = {at: offset for at, offset in self._until.items() if at not in places}
        if not self._until:
            self._decoder.end_child()
