"""Gathers picture and sound of a piece in dictionaries: the join of a plain loop. Nothing in it ever times out.

Without what a real line needs: no clock, no late or lost records, no gap in a stream, no bound on memory but one.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import (
    SAMPLE_FORMAT_S16LE,
    CameraFrame,
    Inspection,
    PieceEvent,
    Samples,
    SignalChunk,
)
from tests.benchmarks.rivals.model import Piece

NS = 1_000_000_000
KEPT_CHUNKS = 20
"""Of each station: two seconds of chunks of 0.1 s."""


@dataclass
class Open:
    """A piece that waits for picture or sound."""

    inspection: Inspection | None = None
    entered_ns: int | None = None
    capture_ns: int = 0
    picture: bytes = b""


@dataclass
class Station:
    pieces: dict[str, Open] = field(default_factory=dict)
    chunks: "deque[tuple[int, int, NDArray[np.float32]]]" = field(default_factory=lambda: deque(maxlen=KEPT_CHUNKS))
    """First sample, its event time, samples."""


@dataclass(frozen=True)
class Joined:
    inspection: Inspection
    capture_ns: int
    piece: Piece


class DictJoin:
    def __init__(self, window_samples: int) -> None:
        self._window_samples = window_samples
        self._stations: dict[str, Station] = {}

    def add(self, kind: str, value: bytes) -> list[Joined]:
        """Pieces that this record completes; `kind` is its type header."""
        if kind.endswith(".SignalChunk"):
            return self._add_chunk(SignalChunk.FromString(value))
        if kind.endswith(".CameraFrame"):
            frame = CameraFrame.FromString(value)
            station, piece = self._open(frame.inspection)
            piece.inspection, piece.capture_ns, piece.picture = frame.inspection, frame.capture_ns, frame.pixels.data
            return self._complete(station)
        event = PieceEvent.FromString(value)
        station, piece = self._open(event.inspection)
        piece.entered_ns = event.event_ns
        return self._complete(station)

    def _open(self, inspection: Inspection) -> tuple[Station, Open]:
        station = self._stations.setdefault(inspection.station, Station())
        return station, station.pieces.setdefault(inspection.piece_id, Open())

    def _add_chunk(self, chunk: SignalChunk) -> list[Joined]:
        station = self._stations.setdefault(chunk.station, Station())
        station.chunks.append((chunk.first_sample, chunk.start_ns, samples_of(chunk.samples)))
        return self._complete(station)

    def _complete(self, station: Station) -> list[Joined]:
        joined = []
        for piece_id, piece in list(station.pieces.items()):
            if piece.inspection is None or piece.entered_ns is None:
                continue
            sound = window(list(station.chunks), piece.entered_ns, self._window_samples)
            if sound is not None:
                joined.append(Joined(piece.inspection, piece.capture_ns, Piece(piece.picture, sound)))
                del station.pieces[piece_id]
        return joined


def samples_of(samples: Samples) -> NDArray[np.float32]:
    """(samples,) of the first channel at full scale 1.0."""
    if samples.format == SAMPLE_FORMAT_S16LE:
        values = np.frombuffer(samples.data, "<i2").astype(np.float32) / np.float32(32768)
    else:
        values = np.frombuffer(samples.data, "<f4")
    return values[:: samples.num_channels]


def window(
    chunks: list[tuple[int, int, NDArray[np.float32]]], start_ns: int, num_samples: int, rate_hz: int = 16_000
) -> NDArray[np.float32] | None:
    """(num_samples,) from the first sample at `start_ns` or after it; None while the chunks do not cover it."""
    if not chunks:
        return None
    first_sample, first_ns, _ = chunks[0]
    begin = -(-(start_ns - first_ns) * rate_hz // NS)
    end = begin + num_samples
    last = chunks[-1][0] + len(chunks[-1][2]) - first_sample
    if begin < 0 or end > last:
        return None
    parts = []
    for number, _, values in chunks:
        low, high = begin - (number - first_sample), end - (number - first_sample)
        if low < len(values) and high > 0:
            parts.append(values[max(low, 0) : high])
    return np.concatenate(parts)
