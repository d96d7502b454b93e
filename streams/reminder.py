"""Limits repeated log lines: one at the first occurrence, then one with a count each time an interval ends."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)
INTERVAL_S = 600.0
MAX_SUBJECTS = 1000
MAX_NAMES = 5


@dataclass(slots=True)
class Happened:
    """Occurrences since the last line: their number, the last names (newest at the end), and the text of the last
    one."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    words: str = ""
    said_s: float | None = None


class Reminder(Generic[Subject]):
    """Not thread-safe. Subjects beyond `MAX_SUBJECTS` are ignored until another one has been quiet for an interval, so
    that the log cannot fill up."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._happened: dict[Subject, Happened] = {}

    def __len__(self) -> int:
        return len(self._happened)

    def add(self, subject: Subject, name: str, words: str) -> None:
        if subject not in self._happened and len(self._happened) >= MAX_SUBJECTS:
            return
        happened = self._happened.setdefault(subject, Happened())
        happened.count, happened.words = happened.count + 1, words
        happened.names = [*(earlier for earlier in happened.names if earlier != name), name][-MAX_NAMES:]

    def due(self, now_s: float) -> Iterator[tuple[Subject, Happened]]:
        """The subjects for which a line is due; their counts start again at 0."""
        for subject, happened in list(self._happened.items()):
            if happened.said_s is not None and now_s - happened.said_s < self._interval_s:
                continue
            if happened.count:
                self._happened[subject] = Happened(said_s=now_s)
                yield subject, happened
            else:
                del self._happened[subject]
