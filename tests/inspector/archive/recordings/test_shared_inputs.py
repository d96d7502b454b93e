"""One reader for several threads, opened at the first use and again after an outage."""

from collections.abc import Iterable

import pytest

from inspector.archive.recordings.inputs import InputReader
from inspector.archive.recordings.shared_inputs import SharedInputs
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Inspection
from streams.log import LogUnavailableError, ReadBack
from streams.records import TopicPartition
from tests.threads import run_together

VERDICT = pb.Verdict(
    inspection=Inspection(line="l", station="s", piece_id="p"),
    modalities=[pb.Modality(name="top", kind="image", state=pb.MODALITY_STATE_PRESENT)],
    inputs=pb.Inputs(frames=[pb.FrameInput(camera="top", offset_steps=[3])]),
)


class EmptyLog:
    """Has no record; fails at first if it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.closed, self.inside, self.overlaps = fails, False, 0, 0

    def read(self, at: TopicPartition, offsets: Iterable[int], *, max_bytes: int, timeout_s: float) -> ReadBack:
        self.inside += 1
        self.overlaps += self.inside > 1
        if self.fails:
            raise LogUnavailableError("away")
        self.inside -= 1
        return ReadBack({}, set(offsets))

    def close(self) -> None:
        self.closed = True


def test_a_reader_is_opened_once_and_closed() -> None:
    logs: list[EmptyLog] = []

    def opened() -> InputReader:
        logs.append(EmptyLog())
        return InputReader(logs[-1], "qa")

    inputs = SharedInputs(opened)
    inputs.close()
    run_together([lambda: [inputs.observation(VERDICT) for _ in range(50)]] * 4)
    assert [log.overlaps for log in logs] == [0]
    inputs.close()
    assert logs[0].closed


def test_after_an_outage_the_reader_is_opened_anew() -> None:
    logs = [EmptyLog(fails=True), EmptyLog()]
    left = iter(logs)
    inputs = SharedInputs(lambda: InputReader(next(left), "qa"))
    with pytest.raises(LogUnavailableError):
        inputs.read(VERDICT)
    assert logs[0].closed
    assert inputs.read(VERDICT).missing[0].source == "top"
