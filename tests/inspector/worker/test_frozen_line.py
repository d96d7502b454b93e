"""A frozen camera over a real embedded log: the first piece after a restart does not pass either."""

import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from protos.inspection.v1 import verdict_pb2 as pb
from streams.embedded import EmbeddedLog
from tests.line import DyingSink, PowerCut, build, chunk, ends, frame, publish, work

PIXELS = np.random.default_rng(1).integers(0, 256, (16, 16), np.uint8)


def png(pixels: np.ndarray, level: int) -> bytes:
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()


def put(log: EmbeddedLog, number: int, picture: bytes) -> None:
    begin_ns = time.time_ns() - 500_000_000
    publish(log, [frame(f"p{number}", begin_ns, picture), chunk(0, begin_ns)])


@pytest.mark.parametrize("is_written", [False, True])
def test_a_frozen_camera_is_known_after_a_crash(log: EmbeddedLog, path: Path, is_written: bool) -> None:
    """The file differs, the pixels do not."""
    put(log, 0, png(PIXELS, 1))
    source, sink = ends(log)
    with closing(source), closing(sink), pytest.raises(PowerCut):
        work(build(source, DyingSink(sink, written=is_written))[0], path, 1)
    put(log, 1, png(PIXELS, 9))
    source, sink = ends(log)
    with closing(source), closing(sink):
        first, second = work(build(source, sink)[0], path, 2)
    assert (first.decision, second.decision) == (pb.DECISION_PASS, pb.DECISION_REVIEW)
    top = next(modality for modality in second.modalities if modality.name == "top")
    assert (top.state, top.reason) == (pb.MODALITY_STATE_IMPLAUSIBLE, pb.MODALITY_REASON_FROZEN)
    assert "equals that of" in top.detail
