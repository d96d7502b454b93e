"""Says what a judge is: observations in, one verdict each out; and what may judge beside it. Knows no model."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation


class Judge(Protocol):
    """Turns observations into verdicts, one each and in their order; stamps everything but `publish_ns`."""

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]: ...


class ShadowPair(NamedTuple):
    """The line's verdict on a piece, and what was said beside it."""

    live: Verdict
    shadow: Verdict


class ShadowEvaluator(Protocol):
    """Judges pieces that have their verdict already; nobody acts upon what it says."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        """Of some of the pieces, or of none. Never raises what a model comes to."""

    def published(self, compared: Sequence[ShadowPair]) -> None:
        """These are in the log now, with the verdicts that they were compared with."""


class NoShadow:
    """Implements `ShadowEvaluator` for a worker without shadows."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        return []

    def published(self, compared: Sequence[ShadowPair]) -> None:
        """Nothing to count."""
