"""Says what a judge is: observations in, one verdict each out; and what may judge beside it. Knows no model."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation


class Judge(Protocol):
    """Turns observations into verdicts, one each and in their order; stamps everything but `publish_ns`."""

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]: ...


class Compared(NamedTuple):
    """The line's verdict on a piece, and what was said beside it."""

    live: Verdict
    shadow: Verdict


class Beside(Protocol):
    """Judges pieces that have their verdict already; nobody acts upon what it says."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[Compared]:
        """Of some of the pieces, or of none. Never raises what a model comes to."""

    def published(self, compared: Sequence[Compared]) -> None:
        """These are in the log now, with the verdicts that they were compared with."""


class NobodyBeside:
    """Implements `Beside` for a worker without shadows."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[Compared]:
        return []

    def published(self, compared: Sequence[Compared]) -> None:
        """Nothing to count."""
