"""The table of the control topics is up to date, also while the log fails."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from inspector.rollout.control.reader import ControlReader
from inspector.rollout.control.records import active_output
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment
from streams.log import Gap, Log, LogError, LogStoppedError, LogUnavailableError, Publisher, RecordReader, Start, Tail
from streams.records import Record, TopicPartition, Topics
from tests.inspector.rollout.toys import CUP, Rig

TOPICS = Topics("inspection", "l1")
PARTITION = TopicPartition(TOPICS.of("control"), 0)


class Uncompacted:
    """A stand-in for a log that still has every record of a key, and that breaks off at the offsets `broken`."""

    def __init__(self, *numbers: int) -> None:
        self.records: list[Record] = []
        self.broken: set[int] = set()
        for number in numbers:
            self.put(number)

    def put(self, number: int) -> None:
        out = active_output(TOPICS, "cup", ActiveDeployment(live=Deployment(number=number)))
        self.records.append(Record(out.topic, 0, len(self.records), out.key, out.value, out.type, 1))

    def control(self, start: Start) -> Tail:
        return OneByOne(self, 0 if start.earliest else len(self.records))

    def tail(self, start: Start) -> Tail:
        raise NotImplementedError

    def feedback(self, start: Start) -> Tail:
        raise NotImplementedError

    def dead_letters(self, start: Start) -> Tail:
        raise NotImplementedError

    def shadow(self, start: Start) -> Tail:
        raise NotImplementedError

    def publisher(self) -> Publisher:
        raise NotImplementedError

    def reader(self) -> RecordReader:
        raise NotImplementedError

    def close(self) -> None: ...


class OneByOne:
    is_away = False

    def __init__(self, log: Uncompacted, offset: int) -> None:
        self._log, self._offset = log, offset

    def poll(self, timeout_s: float) -> Sequence[Record]:
        if self._offset in self._log.broken:
            raise LogError("broker is gone")
        records = self._log.records[self._offset : self._offset + 1]
        self._offset += len(records)
        return records

    def position(self) -> Mapping[TopicPartition, int]:
        return {PARTITION: self._offset}

    def identities(self) -> Mapping[str, str]:
        return {}

    @property
    def gaps(self) -> Sequence[Gap]:
        return ()

    def close(self) -> None: ...


@contextmanager
def reading(rig: Rig, log: Log) -> Iterator[ControlReader]:
    pauses_s: list[float] = []
    reader = ControlReader(rig.service, log, pauses_s.append, lambda: sum(pauses_s))
    try:
        yield reader
    finally:
        reader.close()


def test_a_log_that_breaks_off_while_it_is_read_again_brings_nothing_old_back(rig: Rig) -> None:
    with reading(rig, log := Uncompacted(1, 2, 3)) as reader:
        log.broken = {1, 3}
        assert not reader.read()
        assert reader.active(CUP).live.number == 3
        log.broken = set()
        assert reader.read()
        assert reader.active(CUP).live.number == 3


def test_it_continues_where_the_log_was_read_again(rig: Rig) -> None:
    with reading(rig, log := Uncompacted(1, 2)) as reader:
        log.broken = {2}
        assert not reader.read()
        log.broken = set()
        log.put(3)
        assert reader.read()
        assert reader.active(CUP).live.number == 3


def test_a_long_outage_is_said_about_once_a_minute(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with reading(rig, log := Uncompacted(1)) as reader:
        log.broken = {1}
        for _ in range(61):
            assert not reader.read()
        assert caplog.text.count("The control topics cannot be read") == 2
        log.broken = set()
        assert reader.read()
        log.broken = {1}
        assert not reader.read()
    assert caplog.text.count("The control topics cannot be read") == 3


class AwayAtFirst(Uncompacted):
    """A log that cannot be opened for the first few times."""

    num_away = 3

    def control(self, start: Start) -> Tail:
        if self.num_away:
            self.num_away -= 1
            raise LogUnavailableError("broker is gone")
        return super().control(start)


def test_an_outage_at_the_start_is_waited_out(rig: Rig) -> None:
    """It ended the worker, with the advice to try again."""
    with reading(rig, AwayAtFirst(1, 2)) as reader:
        assert reader.active(CUP).live.number == 2


def test_a_service_that_is_stopped_waits_for_no_log(rig: Rig) -> None:
    """It ended with an error."""
    with pytest.raises(LogStoppedError):
        ControlReader(rig.service, AwayAtFirst(1), lambda pause_s: True)
