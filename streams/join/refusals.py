"""Errors of records that are late, duplicate, orphaned or too many."""

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Trace
from streams.decode.limits import RecordError
from streams.observation import InspectionId


def late(inspection: InspectionId) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_LATE,
        f"{inspection} already has its verdict; this record came too late: send it sooner, or raise max_delay_s; if it "
        "is of a repeated measurement, raise pass_number",
    )


def duplicate(what: str) -> RecordError:
    return RecordError(pb.DEAD_LETTER_REASON_DUPLICATE, f"{what} came twice: nothing to do, the first one counts")


def orphan(trace: Trace) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_ORPHAN,
        f"{trace.inspection} never entered: no frame or event of it arrived; check the piece id of the trace",
    )


def too_old(behind_ns: int) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_TOO_OLD,
        f"the record is {behind_ns / 1e9:.3f} s too old for a piece to enter: send it sooner, or raise dedup_horizon_s",
    )


def too_many_samples(held_bytes: int, max_bytes: int) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_STATE_LIMIT,
        f"the sensors of this partition hold {held_bytes} bytes of samples that a piece may still need, at most "
        f"{max_bytes} are allowed: send fewer and longer chunks, or raise max_signal_bytes",
    )


def too_many_records(inspection: InspectionId, max_records: int) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_STATE_LIMIT,
        f"{inspection} already has {max_records} records, more than its recipe needs: send each record once, and "
        "give every piece its own id",
    )
