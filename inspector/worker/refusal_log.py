"""Logs refused records briefly: one line when a reason first occurs at a partition, then a count."""

import logging
from collections.abc import Sequence

from inspector.verdicts.words import enum_word
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Rejected
from streams.records import Shard
from streams.reminder import INTERVAL_S, Happened, Reminder

log = logging.getLogger("inspector.worker.refusal_log")

_LOGGED_ELSEWHERE = {
    pb.DEAD_LETTER_REASON_MISPLACED_STATION,
    pb.DEAD_LETTER_REASON_POISONED,
    pb.DEAD_LETTER_REASON_TOO_SLOW,
}
_OF_ONE_RECORD = {
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_DUPLICATE,
    pb.DEAD_LETTER_REASON_ORPHAN,
}
"""Caused by an unsteady network; no piece is lost by it."""
_MAX_WORDS = 400


class RefusalLog:
    """Reports dead letters to people who read the log and not the topic."""

    def __init__(self) -> None:
        self._reminder = Reminder[tuple[Shard, int]]()

    def write(self, rejected: Sequence[tuple[Shard, Rejected]], now_s: float) -> None:
        """Logs reasons that are new or have continued for an interval; call it each turn."""
        for shard, item in rejected:
            if item.reason not in _LOGGED_ELSEWHERE:
                self._reminder.add((shard, item.reason), item.station or "unknown", item.detail)
        for (shard, reason), many in self._reminder.due(now_s):
            level = logging.WARNING if reason in _OF_ONE_RECORD else logging.ERROR
            log.log(level, "%s", _message(shard, reason, many))


def _message(shard: Shard, reason: int, many: Happened) -> str:
    name = enum_word(pb.DeadLetterReason, reason)
    minutes = f"{INTERVAL_S / 60:.0f} minutes"
    since = "" if many.said_s is None else f" in the last {minutes}"
    return (
        f"Line {shard.line}, partition {shard.partition}: {many.count} record(s) refused as {name}{since}, the last "
        f"from {', '.join(many.names)}: {many.words[:_MAX_WORDS]}. Refused records are in the topic dead-letters. "
        f"Further ones are summed up every {minutes}."
    )
