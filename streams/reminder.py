"""Counts what goes on and says when a line about it is due: at its beginning, and again each time an interval ends."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)
INTERVAL_S = 600.0
MAX_SUBJECTS = 1000
MAX_NAMES = 5


@dataclass(slots=True)
class Happened:
    """How often since the line before, the names that came last (the newest at the end), and the last case in words."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    words: str = ""
    said_s: float | None = None


class Reminder(Generic[Subject]):
    """For one thread. Subjects beyond `MAX_SUBJECTS` wait in silence until another one has been quiet for an interval:
    whatever comes, the log does not fill."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._happened: dict[Subject, Happened] = {}

    def add(self, subject: Subject, name: str, words: str) -> None:
        if subject not in self._happened and len(self._happened) >= MAX_SUBJECTS:
            return
        happened = self._happened.setdefault(subject, Happened())
        happened.count, happened.words = happened.count + 1, words
        happened.names = [*(known for known in happened.names if known != name), name][-MAX_NAMES:]

    def due(self, now_s: float) -> Iterator[tuple[Subject, Happened]]:
        """What is to be said now; counting begins anew behind it."""
        for subject, happened in list(self._happened.items()):
            if happened.said_s is not None and now_s - happened.said_s < self._interval_s:
                continue
            if happened.count:
                self._happened[subject] = Happened(said_s=now_s)
                yield subject, happened
            else:
                del self._happened[subject]
