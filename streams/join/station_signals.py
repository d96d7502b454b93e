"""The chunks of one station's sensors: places them, and drops them once no piece can need their samples."""

from collections.abc import Mapping, Sequence

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk
from streams.decode.limits import RecordError
from streams.join.assembly import SensorSpec
from streams.join.clips import SECOND_NS, SEGMENT_BYTES, Cut, SensorStream, Window
from streams.join.piece_times import PieceTimes
from streams.join.refusals import too_many_samples
from streams.join.shard_context import ShardContext

DROP_EVERY_NS = SECOND_NS // 2
"""A station without other work drops chunks together, this long after the first of them is needed no more."""


class StationSignals:
    """The streams of the sensors whose windows are cut by time."""

    def __init__(
        self,
        shared: ShardContext,
        sensors: Mapping[str, SensorSpec],
        times: PieceTimes,
        contents: Mapping[str, Sequence[bytes]],
    ) -> None:
        """`contents` are the digests of a predecessor's last chunks, by sensor."""
        self.streams: dict[str, SensorStream] = {}
        """Those of which a chunk has arrived."""
        self._shared, self._sensors, self._times, self._inherited = shared, sensors, times, contents
        self._horizon_span_ns = round(shared.settings.dedup_horizon_s * SECOND_NS)
        self._lead_ns = {name: max(0, round(-spec.start_s * SECOND_NS)) for name, spec in sensors.items()}
        """How long before a piece enters its window of each sensor begins."""

    @property
    def has_samples(self) -> bool:
        """Whether samples are held that a piece may still need."""
        return any(map(len, self.streams.values()))

    @property
    def settled(self) -> Mapping[str, Sequence[bytes]]:
        """For a successor: digests of the last chunks that are no longer needed, by sensor."""
        return {**self._inherited, **{name: stream.history.settled for name, stream in self.streams.items()}}

    def stream(self, sensor: str) -> SensorStream:
        """The stream of a sensor; a new one before its first chunk is placed."""
        spec, settled = self._sensors[sensor], self._inherited.get(sensor, ())
        return self.streams.get(sensor) or SensorStream(spec, self._shared.settings.jitter_s, settled)

    def check(self, chunk: Chunk, end_ns: int, horizon_ns: int | None, *, is_replay: bool) -> None:
        """Raises RecordError for a chunk that ends, at `end_ns`, before any window, or for which there is no room."""
        needed_ns = self._needed_ns(chunk.sensor, horizon_ns)
        if needed_ns is not None and end_ns <= needed_ns and not is_replay:
            raise RecordError(
                pb.DEAD_LETTER_REASON_LATE,
                f"the samples end {(needed_ns - end_ns) / 1e9:.3f} s before any window that is open or can still open: "
                "send them sooner, or raise dedup_horizon_s",
            )
        held_bytes, max_bytes = self._shared.held.signal_bytes, self._shared.settings.max_signal_bytes
        if held_bytes + chunk.samples.nbytes + SEGMENT_BYTES > max_bytes:
            raise too_many_samples(held_bytes, max_bytes)

    def place(self, chunk: Chunk, stream: SensorStream) -> bool:
        """Whether any of the samples are new."""
        self.streams[chunk.sensor], num_bytes = stream, stream.num_bytes
        is_new = stream.place(chunk)
        self._shared.held.signal_bytes += stream.num_bytes - num_bytes
        return is_new

    def cut(self, sensor: str, window: Window) -> tuple[Cut, int] | None:
        """The samples of a window, and the event time at which the newest of the sensor ends; None before the first."""
        stream = self.streams.get(sensor)
        if stream is None or stream.newest_ns is None:
            return None
        return stream.cut(window), stream.newest_ns

    def due_ns(self) -> int | None:
        """The station's clock at which chunks can be dropped, if none of its records comes before."""
        return min((due_ns for name in self.streams if (due_ns := self._due_ns(name)) is not None), default=None)

    def drop(self, horizon_ns: int | None) -> bool:
        """Drops the chunks that no piece can need, whose records are then not needed either. Whether there were any."""
        has_dropped = False
        for name, stream in self.streams.items():
            needed_ns, droppable_ns = self._needed_ns(name, horizon_ns), stream.droppable_ns
            if needed_ns is not None and droppable_ns is not None and droppable_ns <= needed_ns:
                has_dropped, num_bytes = True, stream.num_bytes
                for offset in stream.drop_before(needed_ns):
                    self._shared.ledger.release(self._shared.signals, offset)
                self._shared.held.signal_bytes += stream.num_bytes - num_bytes
        return has_dropped

    def _due_ns(self, sensor: str) -> int | None:
        """None where a piece needs the oldest samples."""
        droppable_ns, earliest_ns = self.streams[sensor].droppable_ns, self._times.earliest_ns(sensor)
        if droppable_ns is None or (earliest_ns is not None and earliest_ns < droppable_ns):
            return None
        return droppable_ns + DROP_EVERY_NS + self._horizon_span_ns + self._lead_ns[sensor]

    def _needed_ns(self, sensor: str, horizon_ns: int | None) -> int | None:
        """Event time from which pieces, open or entering after the horizon, need the samples of a sensor."""
        if horizon_ns is None:
            return None
        enter_ns, earliest_ns = horizon_ns - self._lead_ns[sensor], self._times.earliest_ns(sensor)
        return enter_ns if earliest_ns is None else min(enter_ns, earliest_ns)
