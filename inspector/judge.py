"""Says what a judge is: observations in, one verdict each out. Knows no model."""

from collections.abc import Sequence
from typing import Protocol

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation


class Judge(Protocol):
    """Turns observations into verdicts, one each and in their order; stamps everything but `publish_ns`."""

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]: ...
