"""Times that the log has not set are replaced, and reported once per topic."""

from dataclasses import replace

import pytest

from streams.kafka.stamps import Stamps
from streams.records import Record

GOOD = Record("frames", 0, 1, b"st", b"x", "type", 700)
STAMPED = replace(GOOD, append_ns=9_000, is_stamped_by_log=False)
DAMAGED = replace(STAMPED, append_ns=-1, unreadable="no codec")


@pytest.mark.parametrize(
    ("records", "times_ns"),
    [
        pytest.param([GOOD], [700], id="the log's own"),
        pytest.param([STAMPED], [0], id="none to go by"),
        pytest.param([GOOD, STAMPED, DAMAGED], [700, 700, 700], id="the newest of the partition"),
        pytest.param([replace(GOOD, partition=1), STAMPED], [700, 0], id="not that of another partition"),
    ],
)
def test_only_times_of_the_log_count(records: list[Record], times_ns: list[int]) -> None:
    stamps = Stamps()
    assert [stamps.timed(record).append_ns for record in records] == times_ns


def test_a_problem_is_logged_once_per_topic(caplog: pytest.LogCaptureFixture) -> None:
    stamps = Stamps()
    for record in (STAMPED, STAMPED, DAMAGED, DAMAGED, replace(DAMAGED, topic="signals")):
        stamps.timed(record)
    assert caplog.text.count("is stamped by its producer") == 1
    assert caplog.text.count("cannot be read: no codec") == 2
