"""What a dead letter says about the piece that its record names."""

from protos.inspection.v1 import records_pb2 as pb
from streams.observation import MissingReason

WITHOUT_EFFECT = {
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_DUPLICATE,
    pb.DEAD_LETTER_REASON_CLOCK,
    pb.DEAD_LETTER_REASON_STATION_LIMIT,
    pb.DEAD_LETTER_REASON_STATE_LIMIT,
    pb.DEAD_LETTER_REASON_MISPLACED_STATION,
    pb.DEAD_LETTER_REASON_ORPHAN,
    pb.DEAD_LETTER_REASON_ID_READ_TWICE,
}
"""Dead letters whose record did not make an inspection enter."""
MORE_SPECIFIC = {
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_STATION_LIMIT,
    pb.DEAD_LETTER_REASON_ID_READ_TWICE,
}
"""Reasons that take precedence over the decoding error in a dead letter."""
OF_OTHERS = {pb.DEAD_LETTER_REASON_MISADDRESSED, pb.DEAD_LETTER_REASON_MISPLACED_STATION}
"""Dead letters whose record belongs elsewhere, also if the inspection that it names can be read."""
FAILED_FRAMES: dict[int, MissingReason] = {
    pb.DEAD_LETTER_REASON_REFERENCE: MissingReason.REFERENCE,
    pb.DEAD_LETTER_REASON_WRONG_FORMAT: MissingReason.UNDECODABLE,
}
"""Dead letters for which the inspection counts a failed frame."""
