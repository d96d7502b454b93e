"""Counts the output of a line: verdicts and dead letters by inspection, and the longest pause of a station."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from protos.inspection.v1.records_pb2 import DeadLetter, DeadLetterReason
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from tests.integration.outside_reader import TopicRecord

Inspected = tuple[str, str, int]
"""Station, piece, pass."""


@dataclass(frozen=True)
class VerdictCount:
    """What another reader counts on a line's topics."""

    pieces: int
    """Published."""
    verdicts: int
    """Records on the verdict topic about published pieces."""
    doubled: tuple[Inspected, ...]
    missing: tuple[Inspected, ...]
    letters: int
    doubled_letters: int
    """Records that have more than one dead letter."""
    longest_pause_s: float
    """Between two verdicts of one station."""
    seconds: float
    """From the first verdict to the last."""
    rulings: dict[str, int]
    letter_reasons: dict[str, int]

    @property
    def is_exact(self) -> bool:
        """Whether every published piece has exactly one verdict, and no record two dead letters."""
        return not (self.doubled or self.missing or self.doubled_letters)

    @property
    def letters_by_reason(self) -> str:
        return ", ".join(f"{number} {name}" for name, number in self.letter_reasons.items()) or "none"

    @property
    def counted(self) -> str:
        return f"{self.pieces - len(self.missing)} of {self.pieces}"


def count(
    published: AbstractSet[Inspected], verdicts: Sequence[TopicRecord], letters: Sequence[TopicRecord]
) -> VerdictCount:
    read = [(Verdict.FromString(record.value), record.append_s) for record in verdicts]
    ours = [(verdict, append_s) for verdict, append_s in read if inspected(verdict) in published]
    counts = Counter(inspected(verdict) for verdict, _ in ours)
    times = sorted(append_s for _, append_s in ours)
    read_letters = [DeadLetter.FromString(record.value) for record in letters]
    places = Counter(map(_place, read_letters))
    return VerdictCount(
        pieces=len(published),
        verdicts=len(ours),
        doubled=tuple(sorted(piece for piece, number in counts.items() if number > 1)),
        missing=tuple(sorted(published - counts.keys())),
        letters=len(letters),
        doubled_letters=sum(number > 1 for number in places.values()),
        longest_pause_s=_longest_pause_s(ours),
        seconds=times[-1] - times[0] if times else 0.0,
        rulings=dict(Counter(_ruling(verdict) for verdict, _ in ours).most_common()),
        letter_reasons=dict(Counter(map(_reason, read_letters)).most_common()),
    )


def latencies_s(published: AbstractSet[Inspected], verdicts: Sequence[TopicRecord]) -> list[float]:
    """From the capture of a piece's frame, which is when it is published, to the log's stamp on its verdict."""
    read = ((Verdict.FromString(record.value), record.append_s) for record in verdicts)
    return sorted(append_s - verdict.capture_ns / 1e9 for verdict, append_s in read if inspected(verdict) in published)


def inspected(verdict: Verdict) -> Inspected:
    return verdict.inspection.station, verdict.inspection.piece_id, verdict.inspection.pass_number


def _place(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.topic, letter.partition, letter.offset


def _reason(letter: DeadLetter) -> str:
    return DeadLetterReason.Name(letter.reason).removeprefix("DEAD_LETTER_REASON_")


def _ruling(verdict: Verdict) -> str:
    decision = Decision.Name(verdict.decision).removeprefix("DECISION_")
    return f"{decision} / {DecisionReason.Name(verdict.reason).removeprefix('DECISION_REASON_')}"


def _longest_pause_s(verdicts: Sequence[tuple[Verdict, float]]) -> float:
    stations: dict[str, list[float]] = {}
    for verdict, append_s in sorted(verdicts, key=lambda item: item[1]):
        stations.setdefault(verdict.inspection.station, []).append(append_s)
    return max((later - earlier for times in stations.values() for earlier, later in pairwise(times)), default=0.0)
