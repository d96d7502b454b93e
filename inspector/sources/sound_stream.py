"""Blocks of samples between the sound card's thread and the publisher's, and the records made of them."""

import queue
import threading
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspector.replay.messages import chunk_message
from inspector.replay.signals import Stretch
from inspector.sources.target import Target
from protos.inspection.v1 import records_pb2 as pb
from streams.join.assembly import SensorSpec

Samples = NDArray[np.int16] | NDArray[np.float32]
MOST_WAITING_S = 10.0
"""Sound that waits while the log is away; older sound is of no use, because pieces do not wait for it so long."""


class Block(NamedTuple):
    """Consecutive samples (num_samples, num_channels)."""

    samples: Samples
    first_ns: int
    """When the first was taken, in nanoseconds since the Unix epoch."""
    is_after_loss: bool
    """Samples before it were lost, nobody knows how many."""


class BlockQueue:
    """Bounded: the card's thread never waits; what does not fit is lost, counted, and marked in the next block."""

    def __init__(self, block_s: float, most_s: float = MOST_WAITING_S) -> None:
        self._queue: queue.Queue[Block] = queue.Queue(max(2, round(most_s / block_s)))
        self._lock = threading.Lock()
        self._has_lost = False
        self.overflows = 0
        """Losses that the sound card reported."""
        self.dropped = 0
        """Blocks that did not fit."""

    def put(self, samples: Samples, first_ns: int, *, card_lost: bool) -> None:
        with self._lock:
            self.overflows += card_lost
            block = Block(samples, first_ns, card_lost or self._has_lost)
            try:
                self._queue.put_nowait(block)
                self._has_lost = False
            except queue.Full:
                self.dropped += 1
                self._has_lost = True

    def get(self, timeout_s: float) -> Block | None:
        """None: nothing came in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Chunks:
    """Numbers the samples of one sensor. After a loss the stream begins anew: how much is missing is not known."""

    def __init__(self, target: Target, sensor: SensorSpec) -> None:
        self._target, self._sensor = target, sensor
        self._place = (target.topics.line, target.station)
        self.begin()

    def begin(self) -> None:
        """The next sample is the first of a new stream."""
        self._stream_id, self._next = f"{self._sensor.name}-{time.time_ns()}", 0

    def of(self, block: Block) -> pb.SignalChunk:
        if block.is_after_loss and self._next:
            self.begin()
        stretch = Stretch(self._next, block.samples)
        self._next += len(block.samples)
        return chunk_message(self._place, self._sensor, stretch, self._stream_id, block.first_ns)
