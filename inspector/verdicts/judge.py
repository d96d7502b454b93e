"""Protocols of a judge (observations in, one verdict each out) and of a shadow evaluator."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation


class Judge(Protocol):
    """Turns observations into verdicts, one each and in their order; stamps everything but `publish_ns`."""

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]: ...


class ShadowPair(NamedTuple):
    """The line's verdict on a piece, and the shadow's."""

    live: Verdict
    shadow: Verdict


class ShadowEvaluator(Protocol):
    """Judges pieces that already have a verdict; its verdicts have no effect on the line."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        """May return fewer results than pieces. Never raises: a failing shadow model is disabled."""

    def published(self, compared: Sequence[ShadowPair]) -> None:
        """Called after the commit of these pairs."""


class NoShadow:
    """Implements `ShadowEvaluator` for a worker without shadows."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        return []

    def published(self, compared: Sequence[ShadowPair]) -> None:
        """Nothing to count."""
