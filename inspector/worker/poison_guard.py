"""Decodes records in a child process where earlier workers crashed, until reading has passed that place.

A worker that a record crashes cannot report it. Its successor sees in the offset metadata that the worker took the
partition over but committed nothing after its start (`starts`), or settled none of its open pieces (`unsettled`, since
images are decoded while reading continues). After two such workers the next one decodes in a child process.
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
"""Offsets decoded in a child process: two polls, more than a worker reads between two commits."""


class CarefulDecoder:
    """Decodes a record in this process or in a child process, depending on its offset."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._until: dict[TopicPartition, int] = {}
        """Offset up to which a partition's records are decoded in a child process."""

    def begin(self, assignment: Assignment) -> None:
        """Call when a shard is assigned to this worker."""
        num_before, places = 0, []
        for topic, position in assignment.positions.items():
            memo = OffsetMetadata.decode(position.memo, position.offset)
            if (num_owners := max(memo.starts, memo.unsettled)) > 1:  # counts this worker, too
                at = TopicPartition(topic, assignment.shard.partition)
                self._until[at] = memo.read + _SPAN
                num_before = max(num_before, num_owners - 1)
                places.append(f"{topic} from offset {position.offset} to {self._until[at]}")
        if places:
            log.warning(
                "Line %s, partition %d: %s without progress. A record may have ended it, so this worker decodes these "
                "records in a child process: %s. To do: if a record is reported as poisoned later, check its producer. "
                "If not, see the log of the worker that ended for the cause.",
                *assignment.shard,
                "the last worker ended early" if num_before == 1 else f"the last {num_before} workers ended early",
                ", ".join(places),
            )

    def is_at(self, at: TopicPartition) -> bool:
        """Whether records of this partition are decoded in a child process now."""
        return at in self._until

    def decode(self, record: Record, limits: Limits, line: str, reason_given: int | None) -> Item:
        """`reason_given` is the reason of an earlier dead letter about this record. Raises DecodingError."""
        if reason_given in _GIVEN_UP:
            return self._decoder.reject_again(record, limits, line, reason_given or 0)
        at = TopicPartition(record.topic, record.partition)
        if at not in self._until:
            return self._decoder.decode(record, limits, line)
        if record.offset < self._until[at]:
            return self._decoder.decode_in_child(record, limits, line)
        self._end({at})
        return self._decoder.decode(record, limits, line)

    def begin_decoding(self, record: Record, limits: Limits, line: str) -> bool:
        """Starts to decode a record that `decode` takes later, unless that is done in a child process. False where all
        threads are busy."""
        return self.is_at(TopicPartition(record.topic, record.partition)) or self._decoder.begin(record, limits, line)

    def forget_begun(self) -> None:
        self._decoder.forget_begun()

    def forget(self, is_over: Callable[[TopicPartition], bool]) -> None:
        """Call when partitions are lost or read to their end."""
        if self._until:
            self._end({at for at in self._until if is_over(at)})

    def _end(self, places: AbstractSet[TopicPartition]) -> None:
        self._until = {at: offset for at, offset in self._until.items() if at not in places}
        if not self._until:
            self._decoder.end_child()
