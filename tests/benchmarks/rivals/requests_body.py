"""Turns the body of a request into a piece, for the peers of `Inspect`: the same message as over gRPC."""

from protos.inspection.v1.service_pb2 import InspectRequest
from tests.benchmarks.rivals.joining import samples_of
from tests.benchmarks.rivals.model import Judgement, Piece


def piece_of(body: bytes) -> Piece:
    """Of a serialised `InspectRequest` with one frame and one clip."""
    request = InspectRequest.FromString(body)
    return Piece(request.frames[0].pixels.data, samples_of(request.signals[0].samples))


def answer_of(judgement: Judgement) -> dict[str, float]:
    return {"decision": judgement.decision, "defect_score": judgement.score}
