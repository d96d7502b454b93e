"""The traces of one station that arrived before anything else of their piece, and what becomes of them."""

from collections.abc import Callable, Sequence

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Trace
from streams.decode.limits import RecordError
from streams.join.clips import SECOND_NS
from streams.join.ledger import place
from streams.join.refusals import orphan
from streams.join.shard_context import ShardContext
from streams.join.waiting_traces import WaitingTraces


class StationTraces:
    """Waiting traces. Where they open pieces, they do once no event can come; else they become dead letters."""

    def __init__(self, shared: ShardContext, hold: Callable[[int], None], *, opens: bool) -> None:
        """`hold` counts bytes that the station holds. `opens`: traces open their pieces."""
        self.waiting, self.opens = WaitingTraces(), opens
        self._shared, self._hold = shared, hold
        self._max_delay_ns = round(shared.settings.max_delay_s * SECOND_NS)
        self._horizon_span_ns = round(shared.settings.dedup_horizon_s * SECOND_NS)

    @property
    def due_ns(self) -> int | None:
        """The station's clock at which the first of them has waited long enough."""
        earliest_ns = self.waiting.earliest_end_ns
        if earliest_ns is None:
            return None
        return earliest_ns + (self._max_delay_ns if self.opens else self._horizon_span_ns + 1)

    def ended_in_vain(self, clock_ns: int) -> Sequence[Trace]:
        """Those that open their pieces, because no event came that would name product, lot and entry."""
        return self.waiting.ended(clock_ns - self._max_delay_ns) if self.opens else ()

    def drop_orphans(self, horizon_ns: int | None) -> None:
        """Gives up those whose piece can enter no more."""
        if self.opens or horizon_ns is None:
            return
        for trace in self.waiting.ended(horizon_ns - 1):
            self.waiting.remove(trace)
            self.give_up(trace, orphan(trace))

    def give_up_oldest(self, station: str) -> None:
        """Makes room for another one."""
        detail = f"too many traces wait at station {station!r}: send a piece's frame or event before its traces"
        oldest = self.waiting.oldest
        self.waiting.remove(oldest)
        self.give_up(oldest, RecordError(pb.DEAD_LETTER_REASON_STATE_LIMIT, detail))

    def give_up(self, trace: Trace, error: RecordError) -> None:
        """Makes a waiting trace, or one that its piece refuses, a dead letter."""
        self._hold(-trace.samples.nbytes)
        self._shared.ledger.release(place(trace.origin), trace.origin.offset)
        self._shared.refuse(trace.origin, error, trace.inspection)
