"""`Inspect` as a FastAPI application. Served by uvicorn with uvloop and httptools, one worker per core.

    python -m tests.benchmarks.rivals.fastapi_server --port 8000 --bundle FOLDER --workers 2 --max-batch 1

A batch is what arrives within `BATCH_WAIT_S` of its first request; it is judged in a thread, so that the event loop
goes on reading. With a batch of 1 each request goes to the thread at once.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

from tests.benchmarks.rivals.model import Judgement, Model, Piece
from tests.benchmarks.rivals.requests_body import answer_of, piece_of
from tests.benchmarks.rivals.server_options import server_options

BATCH_WAIT_S = 0.002
Waiting = tuple[bytes, "asyncio.Future[Judgement]"]


class Batcher:
    def __init__(self, model: Model, max_batch: int) -> None:
        self._model, self._max_batch = model, max_batch
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1)

    async def judge(self, body: bytes) -> Judgement:
        future: asyncio.Future[Judgement] = asyncio.get_running_loop().create_future()
        await self._queue.put((body, future))
        return await future

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            until_s = loop.time() + BATCH_WAIT_S
            while len(batch) < self._max_batch:
                try:
                    batch.append(await asyncio.wait_for(self._queue.get(), max(0.0, until_s - loop.time())))
                except TimeoutError:
                    break
            judgements = await loop.run_in_executor(self._thread, self._work, [body for body, _ in batch])
            for (_, future), judgement in zip(batch, judgements, strict=True):
                future.set_result(judgement)

    def _work(self, bodies: list[bytes]) -> list[Judgement]:
        pieces: list[Piece] = [piece_of(body) for body in bodies]
        return self._model.judge(pieces)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    batcher = Batcher(Model(Path(os.environ["RIVAL_BUNDLE"])), int(os.environ["RIVAL_MAX_BATCH"]))
    app.state.batcher = batcher
    task = asyncio.create_task(batcher.run())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/inspect")
async def inspect(request: Request) -> dict[str, float]:
    return answer_of(await request.app.state.batcher.judge(await request.body()))


def main() -> None:
    options = server_options(__doc__)
    os.environ["RIVAL_BUNDLE"], os.environ["RIVAL_MAX_BATCH"] = str(options.bundle), str(options.max_batch)
    uvicorn.run(
        "tests.benchmarks.rivals.fastapi_server:app",
        host="127.0.0.1",
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
    )


if __name__ == "__main__":
    main()
