"""Turns refused records into few lines of the log: one where a reason begins at a partition, then a count."""

import logging
from collections.abc import Sequence

from inspector.verdicts.words import enum_word
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Rejected
from streams.records import Shard
from streams.reminder import INTERVAL_S, Happened, Reminder

log = logging.getLogger("inspector.worker.refusal_log")

_SAID_ELSEWHERE = {
    pb.DEAD_LETTER_REASON_MISPLACED_STATION,
    pb.DEAD_LETTER_REASON_POISONED,
    pb.DEAD_LETTER_REASON_TOO_SLOW,
}
_OF_ONE_RECORD = {
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_DUPLICATE,
    pb.DEAD_LETTER_REASON_ORPHAN,
}
"""What a network that stutters brings about: no piece is lost by it."""
_MAX_WORDS = 400


class RefusalLog:
    """What became dead letters, for the people who read the log and not the topic."""

    def __init__(self) -> None:
        self._reminder = Reminder[tuple[Shard, int]]()

    def write(self, rejected: Sequence[tuple[Shard, Rejected]], now_s: float) -> None:
        """Says what of these is new, and what has gone on for an interval; call it each turn."""
        for shard, each in rejected:
            if each.reason not in _SAID_ELSEWHERE:
                self._reminder.add((shard, each.reason), each.station or "unknown", each.detail)
        for (shard, reason), many in self._reminder.due(now_s):
            level = logging.WARNING if reason in _OF_ONE_RECORD else logging.ERROR
            log.log(level, "%s", _words(shard, reason, many))


def _words(shard: Shard, reason: int, many: Happened) -> str:
    name = enum_word(pb.DeadLetterReason, reason)
    since = "" if many.said_s is None else f" since {INTERVAL_S / 60:.0f} minutes ago"
    return (
        f"Line {shard.line}, partition {shard.partition}: {many.count} records became dead letters {name}{since}, "
        f"stations {', '.join(many.names)} last. The last: {many.words[:_MAX_WORDS]}. If it goes on, a line says it "
        f"in {INTERVAL_S / 60:.0f} minutes; the topic dead-letters has them all."
    )
