"""Judges pieces on request, several at once where they come at once. Publishes nothing."""

import time
from collections.abc import Sequence

import grpc

from inspector.engines.engine import EngineError
from inspector.gateway.callers import Caller
from inspector.gateway.entrance import parsed
from inspector.gateway.inspect_queue import Answer, InspectQueue
from inspector.gateway.refusal import StatusError, invalid_argument, unavailable
from inspector.gateway.request import observation_of
from inspector.gateway.settings import GatewaySettings
from inspector.verdicts.judge import Judge
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import DeadLetterReason
from protos.inspection.v1.service_pb2 import InspectRequest, InspectResponse
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import RecipeBook
from streams.observation import Observation

BATCH_IMAGE_BYTES = 16 * 2**20
"""Decoded pictures of one run of the judge, not counting its last request."""


class InspectService:
    """Without `judge`, as in a gateway without a model, every call is refused. The judge must be thread-safe."""

    def __init__(self, judge: Judge | None, recipes: RecipeBook, limits: Limits, settings: GatewaySettings) -> None:
        self._judge, self._recipes, self._limits = judge, recipes, limits
        self._queue = InspectQueue(self._work, settings)

    async def inspect(self, request: bytes, caller: Caller) -> bytes:
        """The serialised response to the serialised request, which is parsed at its turn. Raises StatusError."""
        if self._judge is None:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION, "this gateway has no model: call a gateway that runs with a worker"
            )
        return await self._queue.answer(request, caller)

    def close(self) -> None:
        """Lets running calls end and cancels waiting ones."""
        self._queue.close()

    def _work(self, requests: Sequence[bytes]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        pieces: dict[int, Observation] = {}
        for index, data in enumerate(requests):
            piece = self._piece(data)
            if isinstance(piece, StatusError):
                answers[index] = piece
                continue
            pieces[index] = piece
            if sum(map(_image_bytes, pieces.values())) >= BATCH_IMAGE_BYTES:
                answers |= self._judged(pieces)
                pieces = {}
        answers |= self._judged(pieces)
        return [answers[index] for index in range(len(requests))]

    def _piece(self, data: bytes) -> Observation | StatusError:
        try:
            request = parsed(InspectRequest.FromString, data)
            assert isinstance(request, InspectRequest)  # noqa: S101
            return observation_of(request, self._recipes, self._limits, time.time_ns())
        except StatusError as refusal:
            return refusal
        except RecordError as error:
            return invalid_argument(error.detail, (("reason", enum_word(DeadLetterReason, error.reason)),))

    def _judged(self, pieces: dict[int, Observation]) -> dict[int, Answer]:
        if not pieces or self._judge is None:
            return {}
        try:
            verdicts = self._judge.judge(list(pieces.values()))
        except StatusError as refusal:
            return dict.fromkeys(pieces, refusal)
        except EngineError as exc:
            return dict.fromkeys(pieces, unavailable(f"the engine failed, and the recipe allows no other: {exc}"))
        responses = (InspectResponse(verdict=verdict).SerializeToString() for verdict in verdicts)
        return dict(zip(pieces, responses, strict=True))


def _image_bytes(piece: Observation) -> int:
    return sum(image.nbytes for view in piece.views.values() for image in view.images)
