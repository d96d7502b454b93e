"""The pace of attempts, and which failures are logged."""

import logging

import pytest

from streams.log import LogLostError, LogUnavailableError
from streams.outage import _MAX_TEXTS, Backoff, Outage, OutageLines, OutagePolicy, SharedOutage

LINES = OutageLines(logging.getLogger("inspector.tests"), lambda reason: f"Gone: {reason}. Tries again.", "Back.")
POLICY = OutagePolicy(1.0, 3.0)


def test_delays_double_up_to_the_longest_and_begin_again() -> None:
    delays = Backoff(1.0, 3.0)
    assert [delays.next_s() for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]
    delays.reset()
    assert delays.next_s() == 1.0


def test_the_first_failure_is_logged_then_one_each_interval_and_the_end_once(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [100.0]
    outage = Outage(LINES, POLICY, lambda: now_s[0])
    outage.worked()
    for now_s[0] in (100.0, 130.0, 159.0, 160.0, 200.0):
        outage.failed("no disk")
    outage.progressed()
    outage.worked()
    outage.worked()
    outage.failed("no disk")
    first = "Gone: no disk. Tries again."
    assert caplog.messages == [first, f"{first} The outage has lasted 60 s.", "Back. The outage lasted 100.0 s.", first]


def test_an_outage_that_no_failure_has_shown_is_counted_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [100.0]
    outage = Outage(LINES, POLICY, lambda: now_s[0])
    outage.begin()
    now_s[0] = 107.0
    outage.begin()
    assert (outage.is_away, outage.lasted_s) == (True, 7.0)
    outage.worked()
    assert (outage.is_away, outage.lasted_s) == (False, 0.0)
    assert caplog.messages == []


def test_a_failure_that_waiting_does_not_end_is_raised_again(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LogLostError, match="damaged"):
        Outage(LINES, POLICY).failed(LogLostError("damaged"))
    assert Outage(LINES, POLICY).failed(LogUnavailableError("away")) == 1.0
    assert caplog.messages == ["Gone: away. Tries again."]


def test_threads_that_wait_for_one_thing_log_its_outage_once_together(caplog: pytest.LogCaptureFixture) -> None:
    now_s, shared = [100.0], SharedOutage()
    outages = [Outage(LINES, POLICY, lambda: now_s[0], shared) for _ in range(7)]
    for now_s[0] in (100.0, 130.0, 161.0):
        for outage in outages:
            outage.failed("no disk")
    first = "Gone: no disk. Tries again."
    assert caplog.messages == [first, f"{first} The outage has lasted 61 s."]
    outages[3].failed("no right")
    for outage in outages:
        outage.worked()
    assert caplog.messages[2:] == ["Back. The outage lasted 61.0 s."], "each has said its own reason, or another has"
    outages[3].failed("no disk")
    assert caplog.messages[3:] == [first]


def test_a_shared_outage_remembers_few_texts() -> None:
    shared = SharedOutage()
    for number in range(3 * _MAX_TEXTS):
        assert shared.may_say(str(number), 0.0)
        assert len(shared._said_s) <= _MAX_TEXTS
