"""Turns a peer's judgement into the record that it publishes: a verdict with little in it, read like the service's."""

from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from tests.benchmarks.rivals.model import Judgement


def result_bytes(inspection: Inspection, capture_ns: int, judgement: Judgement) -> bytes:
    verdict = Verdict(inspection=inspection, capture_ns=capture_ns, defect_score=judgement.score)
    verdict.decision = judgement.decision  # type: ignore[assignment]
    return verdict.SerializeToString()
