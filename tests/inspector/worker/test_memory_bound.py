"""Memory growth of a worker: valid records in a process with a memory limit."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.embedded import EmbeddedLog
from tests.line import frame, publish, written

COUNT = 14
SIDE_PX = 2896
"""8 MiB decoded, and 8 kB on the wire: one poll of the log holds all of them."""
HEADROOM_BYTES = 72 * 2**20
"""16 MiB of open pieces, an image in decoding with its working copies, SQLite's caches and the heap's gaps."""


def test_bombs_that_are_each_admissible_all_get_their_verdict_within_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    bomb = cv2.imencode(".png", np.zeros((SIDE_PX, SIDE_PX), np.uint8))[1].tobytes()
    begin_ns = time.time_ns()
    with closing(EmbeddedLog(path)) as log:
        publish(log, [frame(f"p{number}", begin_ns, bomb) for number in range(COUNT)])
    command = [
        sys.executable,
        "-m",
        "tests.inspector.worker.bounded_worker",
        str(path),
        str(HEADROOM_BYTES),
        str(COUNT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr[-2000:]
    pieces = [Verdict.FromString(value).inspection.piece_id for value in written(path, "verdicts")]
    assert sorted(pieces) == sorted(f"p{number}" for number in range(COUNT))
    assert written(path, "dead-letters") == []
