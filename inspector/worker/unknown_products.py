"""Logs products for which no recipe holds: their pieces go to a person, and nothing else says why."""

import logging
from collections.abc import Iterable

from protos.inspection.v1.verdict_pb2 import DecisionReason, Verdict
from streams.reminder import Reminder

log = logging.getLogger("inspector.worker")


class UnknownProductLog:
    """One line when a product of a station begins to come without a recipe, then one every ten minutes."""

    def __init__(self) -> None:
        self._reminder = Reminder[tuple[str, str, str]]()

    def write(self, verdicts: Iterable[Verdict], now_s: float) -> None:
        """`now_s` is monotonic."""
        for verdict in verdicts:
            if verdict.reason == DecisionReason.DECISION_REASON_NO_RECIPE:
                named = verdict.inspection
                self._reminder.add((named.line, named.station, verdict.product), named.piece_id, "")
        for (line, station, product), many in self._reminder.due(now_s):
            log.warning(
                "Line %s, station %s: no recipe holds for product %r: %d piece(s) went to REVIEW, %s last. Correct the "
                "product that the producer sends, blanks and capitals too, or add a recipe.",
                *(line, station, product, many.count, many.names[-1]),
            )
