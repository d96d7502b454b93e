"""The review desk: gives pieces to people and takes their answers. All state is in the database, so any number of
processes may serve it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from inspector.archive.database import Database
from inspector.review.answers import Answers, Standing, ask_second_opinion, num_answers
from inspector.review.findings import Finding
from inspector.review.lending import Held, Lending, num_known_held
from inspector.review.queue import Queue
from inspector.review.settings import ReviewSettings
from protos.inspection.v1.records_pb2 import Label
from streams.observation import InspectionId


@dataclass(frozen=True, slots=True)
class Progress:
    """A reviewer's view of the work: their own answers, and roughly how much there is."""

    ok: int
    nok: int
    unsure: int
    waiting: str
    """About how many pieces wait, in words. The exact number would give known pieces away: it stays the same after
    one."""


class Desk:
    """Every call may raise StoreError."""

    def __init__(
        self,
        database: Database,
        settings: ReviewSettings,
        lending: Lending | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self._database, self._clock_ns = database, clock_ns
        self._lending = lending or Lending(database, settings)
        self._answers = Answers(database, settings)
        self.queue = Queue(database, settings)

    def next_piece(self, reviewer: str) -> Held | None:
        """The piece to look at now; None where the queue has none for this reviewer."""
        return next(iter(self.hold(reviewer, 1)), None)

    def hold(self, reviewer: str, count: int) -> list[Held]:
        """The next pieces in order, so that a page can load the one after the current one ahead."""
        return self._lending.hold(reviewer, count, self._clock_ns())

    def held(self, reviewer: str, token: str) -> Held | None:
        """The piece of this token, while this reviewer holds it."""
        return self._lending.held(reviewer, token)

    def owes(self, reviewer: str, inspection: InspectionId) -> bool:
        """Whether the reviewer holds the piece: they must not see what others said about it."""
        return self._lending.owes(reviewer, inspection)

    def standing(self, reviewer: str, token: str) -> Standing | None:
        """What the token named and how it was answered; None where it is not this reviewer's."""
        return self._answers.standing(reviewer, token)

    def last_answer(self, reviewer: str) -> Standing | None:
        """What an undo would take back."""
        return self._answers.last(reviewer, self._clock_ns())

    def answer(self, reviewer: str, token: str, finding: Finding) -> None:
        """Raises NotHeldError."""
        self._answers.answer(reviewer, token, finding, self._clock_ns())

    def undo(self, reviewer: str) -> bool:
        """Takes back the reviewer's last answer: its piece comes next again. False where there is none."""
        return self._answers.undo(reviewer, self._clock_ns())

    def ask_second_opinion(self, inspection: InspectionId) -> bool:
        """Has one more person look at a piece of the queue; False where it is none, or two look at it already."""
        with self._database.write() as connection:
            return ask_second_opinion(connection, inspection, self._clock_ns())

    def progress(self, reviewer: str, since_ns: int) -> Progress:
        waiting = self.queue.num_waiting()
        with self._database.read() as connection:
            by_label = num_answers(connection, reviewer, since_ns)
            waiting += num_known_held(connection, reviewer)
        ok, nok, unsure = (by_label.get(label, 0) for label in (Label.LABEL_OK, Label.LABEL_NOK, Label.LABEL_UNSURE))
        return Progress(ok, nok, unsure, rounded(waiting))


def rounded(count: int) -> str:
    """In words and to one digit: 0 is `none`, 7 is `fewer than 10`, 268 is `about 300`."""
    if count == 0:
        return "none"
    return "fewer than 10" if count < 10 else f"about {to_one_digit(count)}"


def to_one_digit(count: int) -> int:
    """Any number from 1 to 9 is 10."""
    step = max(10, 10 ** (len(str(count)) - 1))
    return max(step, round(count / step) * step) if count else 0
