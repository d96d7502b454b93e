"""Turns the results of the main loop into the records of a commit."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from inspector.verdicts.judge import ShadowPair
from inspector.verdicts.records import inspection_id, make_fit, stamp, verdict_output
from inspector.worker.shards import Shards
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.dead_letters import dead_letter_output
from streams.decode.items import Rejected
from streams.records import Output, Shard
from streams.reminder import Reminder

log = logging.getLogger("inspector.worker.pipeline")


@dataclass(slots=True)
class Pending:
    """Verdicts, shadow verdicts and dead letters that the next commit publishes."""

    verdicts: list[tuple[Shard, Verdict]] = field(default_factory=list)
    shadows: list[tuple[Shard, ShadowPair]] = field(default_factory=list)
    rejected: list[tuple[Shard, Rejected]] = field(default_factory=list)
    since_s: float | None = None

    def __len__(self) -> int:
        return len(self.verdicts) + len(self.rejected)

    def without(self, is_lost: Callable[[Shard], bool]) -> "Pending":
        kept = Pending(
            [entry for entry in self.verdicts if not is_lost(entry[0])],
            [entry for entry in self.shadows if not is_lost(entry[0])],
            [entry for entry in self.rejected if not is_lost(entry[0])],
        )
        kept.since_s = self.since_s if len(kept) else None
        return kept


class Outputs:
    """The records of every commit of a worker."""

    def __init__(self, shards: Shards, max_record_bytes: int, deadline_s: Callable[[Verdict], float | None]) -> None:
        self._shards, self._max_record_bytes, self._deadline_s = shards, max_record_bytes, deadline_s
        self._too_large = Reminder[Shard]()

    def of(self, pending: Pending, publish_ns: int, now_s: float) -> list[Output]:
        """Stamps the verdicts, and settles their pieces in the positions committed with them."""
        outputs = []
        for shard, verdict in pending.verdicts:
            stamp(verdict, publish_ns, self._deadline_s(verdict))
            self._shards.settle(shard, inspection_id(verdict.inspection))
            outputs.append(self._verdict_output(shard, verdict, now_s))
        for shard, (_, shadow) in pending.shadows:
            stamp(shadow, publish_ns, self._deadline_s(shadow))
            outputs.append(self._verdict_output(shard, shadow, now_s))
        return outputs + [dead_letter_output(self._shards.topics(shard), item) for shard, item in pending.rejected]

    def _verdict_output(self, shard: Shard, verdict: Verdict, now_s: float) -> Output:
        topics, limit = self._shards.topics(shard), self._max_record_bytes
        output = verdict_output(topics, shard, verdict)
        if (size := len(output.value)) <= limit:
            return output
        left_out = ", ".join(make_fit(verdict, limit))
        self._too_large.add(shard, verdict.inspection.piece_id, f"{size} bytes, published without {left_out}")
        for (line, partition), many in self._too_large.due(now_s):
            log.error(
                "Line %s, partition %d: %d verdicts were larger than max_record_bytes = %d and lost heat maps (last: "
                "piece %s, %s). To do: raise max_record_bytes in the configuration and the brokers' message.max.bytes.",
                *(line, partition, many.count, limit, many.names[-1], many.words),
            )
        return verdict_output(topics, shard, verdict)
