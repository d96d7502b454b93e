"""The lines about refused records: one where a reason begins, then a count."""

import pytest

from inspector.worker.refusal_log import RefusalLog
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.dead_letters import reject
from streams.decode.items import Origin, Rejected
from streams.records import Shard
from streams.reminder import INTERVAL_S

SHARD = Shard("l1", 3)


def refused(reason: int, count: int, station: str = "s") -> list[tuple[Shard, Rejected]]:
    origin = Origin("qa.l1.frames", 3, 41, 99)
    return [(SHARD, reject(origin, reason, "it is so: do that", station=f"{station}{n}")) for n in range(count)]


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        (pb.DEAD_LETTER_REASON_STATION_LIMIT, "ERROR"),
        (pb.DEAD_LETTER_REASON_STATE_LIMIT, "ERROR"),
        (pb.DEAD_LETTER_REASON_UNREADABLE, "ERROR"),
        (pb.DEAD_LETTER_REASON_CLOCK, "ERROR"),
        (pb.DEAD_LETTER_REASON_TOO_OLD, "ERROR"),
        (pb.DEAD_LETTER_REASON_DUPLICATE, "WARNING"),
    ],
)
def test_a_mass_of_refusals_is_one_line_and_a_count_each_ten_minutes(
    reason: int, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = RefusalLog()
    for turn in range(20):
        lines.write(refused(reason, 500), float(turn))
    lines.write([], INTERVAL_S)
    name = pb.DeadLetterReason.Name(reason).removeprefix("DEAD_LETTER_REASON_")
    assert [(entry.levelname, entry.message.partition(", the last from")[0]) for entry in caplog.records] == [
        (level, f"Line l1, partition 3: 500 record(s) refused as {name}"),
        (level, f"Line l1, partition 3: 9500 record(s) refused as {name} in the last 10 minutes"),
    ]
    assert "the last from s495, s496, s497, s498, s499: it is so: do that." in caplog.records[0].message


def test_reasons_that_are_logged_elsewhere_are_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    lines = RefusalLog()
    for reason in (pb.DEAD_LETTER_REASON_POISONED, pb.DEAD_LETTER_REASON_TOO_SLOW):
        lines.write(refused(reason, 1), 0.0)
    assert caplog.records == []
