"""`Inspect` as a LitServe server: one worker per core, the batch and its wait in `LitAPI`, ZeroMQ between processes.

python -m tests.benchmarks.rivals.litserve_server --port 8000 --bundle FOLDER --workers 2 --max-batch 1
"""

import base64
from pathlib import Path

import litserve

from tests.benchmarks.rivals.model import Judgement, Model, Piece
from tests.benchmarks.rivals.requests_body import answer_of, piece_of
from tests.benchmarks.rivals.server_options import server_options

BATCH_WAIT_S = 0.002


class InspectApi(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, bundle: Path, max_batch: int) -> None:
        super().__init__(
            max_batch_size=max_batch, batch_timeout=BATCH_WAIT_S if max_batch > 1 else 0.0, api_path="/inspect"
        )
        self._bundle, self._batched = bundle, max_batch > 1

    def setup(self, device: str) -> None:
        self._model = Model(self._bundle)

    def decode_request(self, request: dict[str, str]) -> Piece:
        return piece_of(base64.b64decode(request["request"]))

    def batch(self, inputs: list[Piece]) -> list[Piece]:
        return list(inputs)

    def predict(self, x: list[Piece] | Piece) -> list[Judgement] | Judgement:
        if self._batched:
            return self._model.judge(x)  # type: ignore[arg-type]
        return self._model.judge([x])[0]  # type: ignore[list-item]

    def unbatch(self, output: list[Judgement]) -> list[Judgement]:
        return output

    def encode_response(self, output: Judgement) -> dict[str, float]:
        return answer_of(output)


def main() -> None:
    options = server_options(__doc__)
    server = litserve.LitServer(
        InspectApi(options.bundle, options.max_batch),
        accelerator="cpu",
        workers_per_device=options.workers,
        fast_queue=True,
    )
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
