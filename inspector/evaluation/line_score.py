"""Compares the verdicts of a line with the true state of its pieces, as `replay --truth` writes it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.dataset.manifest import Label
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, Verdict

MAX_PIECES = 1_000_000
NEAR_NS = 60_000_000_000
"""A verdict belongs to a piece of the file if their entries are no further apart: ids may have been used before."""


class TruthError(ValueError):
    """The file of true states cannot be used; the message names file, line and remedy."""


class PieceKey(NamedTuple):
    """Names one inspection."""

    line: str
    station: str
    piece_id: str
    pass_number: int


class TrueState(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    station: str
    piece_id: str
    pass_number: int
    entry_ns: int
    label: Label
    defects: tuple[str, ...]

    @property
    def key(self) -> PieceKey:
        return PieceKey(self.line, self.station, self.piece_id, self.pass_number)

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of the table that the piece counts in."""
        return (self.label, *self.defects)


def read_truth(path: Path) -> dict[PieceKey, TrueState]:
    """The last line counts where several are of one inspection. Raises TruthError, OSError."""
    states: dict[PieceKey, TrueState] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if number > MAX_PIECES:
                raise TruthError(f"{path}: has more than {MAX_PIECES} lines; cut it")
            try:
                state = TrueState.model_validate_json(line)
            except ValidationError as exc:
                raise TruthError(
                    f"{path}:{number}: is no line of `inspector replay --truth` ({exc.errors()[0]['msg']}); name the "
                    "file that it wrote"
                ) from exc
            states[state.key] = state
    return states


@dataclass(slots=True)
class LineScore:
    """Verdicts by the true state of their pieces."""

    truth: Mapping[PieceKey, TrueState]
    decisions: dict[PieceKey, int] = field(default_factory=dict)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Verdicts on other pieces are passed over; the first one of an inspection counts."""
        for verdict in verdicts:
            named = verdict.inspection
            key = PieceKey(named.line, named.station, named.piece_id, named.pass_number)
            state = self.truth.get(key)
            if state is not None and abs(verdict.entry_ns - state.entry_ns) <= NEAR_NS:
                self.decisions.setdefault(key, verdict.decision)

    @property
    def table(self) -> dict[str, Counter[str]]:
        """Decisions by label and class, and `none` for pieces without a verdict."""
        rows: dict[str, Counter[str]] = {}
        for key, state in self.truth.items():
            for row in state.rows:
                rows.setdefault(row, Counter())[self._word(key)] += 1
        return rows

    def pieces(self, label: Label, decision: Decision) -> Iterator[str]:
        """Ids of the pieces of this label that were decided so, such as escapes."""
        for key, state in self.truth.items():
            if state.label == label and self.decisions.get(key) == decision:
                yield key.piece_id

    def _word(self, key: PieceKey) -> str:
        decision = self.decisions.get(key)
        return "none" if decision is None else enum_word(Decision, decision)
