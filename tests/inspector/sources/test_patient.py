"""A log that takes nothing is waited for, until the source is told to stop."""

import logging
import threading
from collections.abc import Sequence

import pytest

from inspector.sources.patient import PatientPublisher, StoppedError
from streams.log import LogError, LogLostError, LogUnavailableError
from streams.records import Output

RECORD = Output("t", None, b"k", b"v", "x")


class AwayPublisher:
    """Refuses so many times."""

    def __init__(self, times: int, error: type[LogError] = LogUnavailableError) -> None:
        self.times, self.error, self.taken = times, error, 0

    def publish(self, outputs: Sequence[Output]) -> None:
        if self.times:
            self.times -= 1
            raise self.error("locked")
        self.taken += len(outputs)

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_records_are_published_when_the_log_is_back_and_the_wait_is_said(caplog: pytest.LogCaptureFixture) -> None:
    inner = AwayPublisher(1)
    with caplog.at_level(logging.WARNING), PatientPublisher(inner, threading.Event()) as publisher:
        publisher.publish([RECORD])
        publisher.flush()
        assert (inner.taken, publisher.num_records) == (1, 1)
    assert "The log takes no records (locked)" in caplog.text
    assert "The log takes records again" in caplog.text


def test_a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError, match="while the log was away"):
        PatientPublisher(AwayPublisher(9), stop).publish([RECORD])


@pytest.mark.parametrize("error", [LogError, LogLostError])
def test_what_waiting_does_not_mend_is_raised_at_once(error: type[LogError]) -> None:
    with pytest.raises(error):
        PatientPublisher(AwayPublisher(9, error), threading.Event()).publish([RECORD])
