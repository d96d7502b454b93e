"""`Inspect` as a BentoML service. Served by `bentoml serve`, one worker per core, with its adaptive batching.

RIVAL_BUNDLE=FOLDER bentoml serve tests.benchmarks.rivals.bentoml_server:InspectService --port 8000
"""

import base64
import os
from pathlib import Path

import bentoml

from tests.benchmarks.rivals.model import Model
from tests.benchmarks.rivals.requests_body import answer_of, piece_of

MAX_BATCH = int(os.environ.get("RIVAL_MAX_BATCH", "1"))
WORKERS = int(os.environ.get("RIVAL_WORKERS", "2"))


@bentoml.service(workers=WORKERS, threads=1, traffic={"timeout": 30}, metrics={"enabled": False})
class InspectService:
    def __init__(self) -> None:
        self._model = Model(Path(os.environ["RIVAL_BUNDLE"]))

    @bentoml.api(batchable=MAX_BATCH > 1, max_batch_size=max(2, MAX_BATCH), max_latency_ms=1000, route="/inspect")
    def inspect(self, requests: list[str]) -> list[dict[str, float]]:
        """Of base64 texts of serialised `InspectRequest`."""
        pieces = [piece_of(base64.b64decode(request)) for request in requests]
        return [answer_of(judgement) for judgement in self._model.judge(pieces)]
