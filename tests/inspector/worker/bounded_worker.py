"""A worker under a limit of memory: `python -m tests.inspector.worker.bounded_worker LOG HEADROOM_BYTES COUNT`.

Judges a log until COUNT verdicts are out; its address space may grow by HEADROOM_BYTES from where it is after imports.
"""

import resource
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2

from inspector.worker.pipeline import Pipeline
from streams.embedded import EmbeddedLog
from streams.join.assembly import JoinSettings
from tests.line import build, written


def main(path: Path, headroom_bytes: int, count: int) -> None:
    cv2.setNumThreads(1)
    with (
        closing(EmbeddedLog(path)) as log,
        closing(log.source(("line-1",), "qa", "w")) as source,
        closing(log.sink()) as sink,
    ):
        pipeline, _ = build(source, sink, join=replace(JoinSettings(), max_open_bytes=16 * 2**20))
        work(pipeline, path, headroom_bytes, count)


def work(pipeline: Pipeline, path: Path, headroom_bytes: int, count: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + headroom_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    deadline_s = time.monotonic() + 30
    while len(written(path, "verdicts")) < count and time.monotonic() < deadline_s:
        pipeline.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
