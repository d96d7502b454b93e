"""Checks whether a record's piece is already judged, and whether the record is of another part with the same id."""

from collections.abc import Callable, Mapping

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Origin
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec
from streams.join.clips import SECOND_NS
from streams.join.one_part import Part, PieceRecord, read_twice, unlike
from streams.join.pieces import Piece
from streams.join.refusals import duplicate, late
from streams.join.shard_context import ShardContext
from streams.observation import InspectionId


class Ids:
    """The closed pieces of one station. Methods raise RecordError for records that arrive after closing."""

    def __init__(self, line: str, station: str, shared: ShardContext, closed: Mapping[InspectionId, Piece]) -> None:
        """`closed`: pieces that have no published verdict yet."""
        self._line, self._station = line, station
        self._shared, self._closed = shared, closed

    def is_judged(self, record: PieceRecord, origin: Origin, *, is_replay: bool) -> bool:
        """Whether the predecessor used this record for a verdict. Raises RecordError when it comes after the verdict,
        or after the piece has closed."""
        verdicts = self._shared.ledger.verdicts
        if record.inspection in verdicts and is_replay:
            verdicts.extend(record.inspection, origin)
            return True
        if record.inspection not in verdicts and record.inspection not in self._closed:
            return False
        self.check_skew(origin, record.event_ns)
        self.check_part(record)
        raise late(record.inspection)

    def has_closed(self, inspection: InspectionId, origin: Origin, keep: Callable[[Piece, Origin], None]) -> bool:
        """Whether the piece has closed. A `left` event has no effect then and does not count as late."""
        if inspection in self._shared.ledger.verdicts:
            self._shared.ledger.verdicts.extend(inspection, origin)
            return True
        if inspection in self._closed:
            keep(self._closed[inspection], origin)
        return inspection in self._closed

    def check_part(self, record: PieceRecord) -> None:
        """Raises RecordError for a record of another part than the judged or closed one."""
        judged, closed = self._shared.ledger.verdicts.get(record.inspection), self._closed.get(record.inspection)
        if judged is not None:
            part = Part(judged.entry_ns, judged.times)
        elif closed is not None:
            part = closed.part
        else:
            return
        recipes = self._shared.recipes
        spec = recipes.assembly(self._line, self._station, record.product or "") or AssemblySpec(cameras=())
        if why := unlike(part, record, spec.capture_span_s):
            raise read_twice(record.inspection, why, self._shared.settings.dedup_horizon_s)

    def doubled(self, piece: Piece, what: str, event_ns: int) -> RecordError:
        """The error for a second record of its kind in an open piece: a duplicate, or of another part, which marks
        the piece."""
        why = unlike(piece.part, PieceRecord(piece.inspection, what, event_ns), 0.0)
        if not why:
            return duplicate(what)
        piece.is_read_twice = True
        return read_twice(piece.inspection, why, self._shared.settings.dedup_horizon_s)

    def check_skew(self, origin: Origin, event_ns: int) -> None:
        """Raises RecordError for an event time too far ahead of the log's clock."""
        ahead_ns, max_skew_s = event_ns - origin.append_ns, self._shared.settings.max_skew_s
        if ahead_ns > round(max_skew_s * SECOND_NS):
            raise RecordError(
                pb.DEAD_LETTER_REASON_CLOCK,
                f"event time is {ahead_ns / 1e9:.3f} s ahead of the log's clock, at most {max_skew_s} s "
                "is allowed: set the producer's clock",
            )
