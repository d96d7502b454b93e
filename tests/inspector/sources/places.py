"""A station for tests of sources: its target, its records read back as a worker reads them, and small videos."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np

from inspector.sources.patient import PatientPublisher
from inspector.sources.target import Target
from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.records import Record, Topics

MIC = SensorSpec("mic", "audio", 8000.0, end_s=0.05)
SPEC = AssemblySpec((CameraSpec("top"),), (MIC,))
ONE_CAMERA = AssemblySpec((CameraSpec("top"),))


def target(spec: AssemblySpec = ONE_CAMERA, **changes: object) -> Target:
    return Target(Topics("qa", "line-1"), "st-1", "disc", spec, **changes)  # type: ignore[arg-type] # as tests say


@contextmanager
def publishing(log: EmbeddedLog, stop: threading.Event | None = None) -> Iterator[PatientPublisher]:
    with closing(log.publisher()) as publisher:
        yield PatientPublisher(publisher, stop or threading.Event())


def records(log: EmbeddedLog, owner: str = "reader") -> list[Record]:
    with closing(log.source(["line-1"], "qa", owner)) as source:
        return [record for _ in range(6) for record in source.poll(0.05).records]


def items(log: EmbeddedLog) -> list[Item]:
    """What a worker makes of everything that was published."""
    return [decode(record, Limits(), "line-1") for record in records(log)]


def write_video(path: Path, num_frames: int, rate_hz: float = 50.0) -> Path:
    """Motion JPEG; each picture is brighter than the one before, and brighter at its right side."""
    size = (64, 48)
    ramp = np.tile(np.arange(size[0], dtype=np.uint8)[None, :, None] // 2, (size[1], 1, 3))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, size)
    for number in range(num_frames):
        writer.write(ramp + np.uint8(20 + number * 100 // num_frames))
    writer.release()
    return path


def png(grey: int = 90) -> bytes:
    data: bytes = cv2.imencode(".png", np.full((8, 8), grey, np.uint8))[1].tobytes()
    return data
