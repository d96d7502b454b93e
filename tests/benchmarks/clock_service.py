"""A few wrong clocks through the service itself: the demo's bundle on the embedded log, in real time. All pieces look
good; every other one is cracked, which is only heard."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.simulation.pieces import AUDIBLE, VISIBLE, LineSettings, SimulatedPiece, simulate_piece
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1 import verdict_pb2 as vb
from streams.embedded import EmbeddedLog
from streams.encoding import to_output
from streams.records import Topics
from tests.integration.conftest import free_ports
from tests.line import written

ROOT = Path(__file__).parents[2]
NS, RATE_HZ, TENTH = 1_000_000_000, 16_000, 1_600
Stamp = Callable[[int], int]
"""From the true time to the stamp of a clock."""
NUM_PIECES, LEAD = 8, 20
"""Pieces, one a second; seconds of good sound before."""
FAULTS: dict[str, Stamp] = {
    "right": lambda now: now,
    "camera 0.1 s behind": lambda now: now - NS // 10,
    "camera 1 s behind": lambda now: now - NS,
    "camera 1 s ahead": lambda now: now + NS,
    "camera 18 s behind": lambda now: now - 18 * NS,
    "camera 37 s behind": lambda now: now - 37 * NS,
    "camera 3,600 s behind": lambda now: now - 3600 * NS,
    "camera in milliseconds": lambda now: now // 10**6,
}
SERVICE = """
prefix = "qa"
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "embedded"
path = "log.sqlite"
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{}"
[metrics]
listen = "127.0.0.1:{}"
"""
PASS, REVIEW, FAIL = vb.DECISION_PASS, vb.DECISION_REVIEW, vb.DECISION_FAIL
TOPICS = Topics("qa", "line-1")


def through_the_service() -> Iterator[str]:
    """Rows of a Markdown table."""
    yield "| fault | good: PASS, REVIEW, FAIL of 4 | cracked: PASS, REVIEW, FAIL of 4 | dead letters | message |"
    yield "|---|---|---|---|---|"
    for name, stamp in FAULTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write(folder)
            log = (folder / "service.log").open("w")
            command = [sys.executable, "-m", "inspector", "serve", "--config", str(folder / "service.toml")]
            service = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            try:
                _wait_until_it_judges(folder)
                _publish(folder, stamp)
                time.sleep(4.0)
            finally:
                service.terminate()
                service.wait(20)
                log.close()
            yield _row(name, folder)


def _row(name: str, folder: Path) -> str:
    verdicts = [vb.Verdict.FromString(value) for value in written(folder / "log.sqlite", "verdicts")]
    letters = [pb.DeadLetter.FromString(value) for value in written(folder / "log.sqlite", "dead-letters")]
    decisions = [(int(verdict.inspection.piece_id[1:]) % 2, verdict.decision) for verdict in verdicts]
    good, cracked = (
        ", ".join(str(decisions.count((is_cracked, decision))) for decision in (PASS, REVIEW, FAIL))
        for is_cracked in (0, 1)
    )
    details = [modality.detail for verdict in verdicts for modality in verdict.modalities if modality.detail]
    warnings = [
        line for line in (folder / "service.log").read_text().splitlines() if "WARN" in line and "clock" in line
    ]
    message = next(iter([*details, *(letter.detail for letter in letters)]), "nothing")
    return f"| {name} | {good} | {cracked} | {len(letters)} | {message} ({len(warnings)} warnings) |"


def _write(folder: Path) -> None:
    recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
    (folder / "recipe.toml").write_text(recipe.replace('"../bundles/demo"', f'"{ROOT / "deploy/bundles/demo"}"'))
    (folder / "service.toml").write_text(SERVICE.format(*free_ports(2)))


def _wait_until_it_judges(folder: Path) -> None:
    deadline = time.monotonic() + 60.0
    while "is assigned to this worker" not in (folder / "service.log").read_text():
        if time.monotonic() > deadline:
            raise RuntimeError((folder / "service.log").read_text()[-2000:])
        time.sleep(0.2)


def _publish(folder: Path, stamp: Stamp) -> None:
    pieces = _piece(()), _piece(AUDIBLE)
    start_ns = time.time_ns() - LEAD * NS
    with closing(EmbeddedLog(folder / "log.sqlite").publisher()) as publisher:
        lead = [chunk for second in range(LEAD) for chunk in _sounds(pieces[second % 2], start_ns, second)]
        publisher.publish([to_output(TOPICS, message) for message in lead])
        for number in range(NUM_PIECES):
            second = LEAD + number
            sounds = _sounds(pieces[number % 2], start_ns, second)
            for tenth, sound in enumerate(sounds):
                now_ns = start_ns + second * NS
                records = _records(f"p{number}", pieces[number % 2], stamp, now_ns) if tenth == 0 else []
                time.sleep(max(0.0, (now_ns + (tenth + 1) * NS // 10 - time.time_ns()) / NS))
                publisher.publish([to_output(TOPICS, message) for message in (*records, sound)])
        time.sleep(1.0)


def _piece(defects: tuple[str, ...]) -> SimulatedPiece:
    settings = LineSettings(seed=3, defect_share=0.4, faint_share=0.0, wear_share=0.0)
    pieces = (simulate_piece(settings, number) for number in range(1000))
    return next(
        piece
        for piece in pieces
        if not piece.truth.nok(VISIBLE)
        and bool(defects) == piece.truth.nok(AUDIBLE)
        and piece.truth.severity.get("crack", 1.0) > 0.9
    )


def _records(name: str, piece: SimulatedPiece, stamp: Stamp, now_ns: int) -> list[pb.PieceEvent | pb.CameraFrame]:
    inspection = pb.Inspection(line="line-1", station="st-1", piece_id=name)
    event = pb.PieceEvent(
        inspection=inspection, product="disc", kind=pb.PIECE_EVENT_KIND_ENTERED, event_ns=stamp(now_ns)
    )
    pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_PNG, data=piece.png)
    capture_ns = stamp(now_ns + NS // 200)
    return [
        event,
        pb.CameraFrame(inspection=inspection, product="disc", camera="top", capture_ns=capture_ns, pixels=pixels),
    ]


def _sounds(piece: SimulatedPiece, start_ns: int, second: int) -> list[pb.SignalChunk]:
    """A second of sound in ten chunks."""
    sound: NDArray[np.int16] = np.zeros(RATE_HZ, np.int16)
    sound[: len(piece.sound)] = piece.sound[:, 0]
    return [
        pb.SignalChunk(
            line="line-1",
            station="st-1",
            sensor="mic",
            kind=pb.SIGNAL_KIND_AUDIO,
            stream_id="s",
            first_sample=second * RATE_HZ + tenth * TENTH,
            start_ns=start_ns + second * NS + tenth * NS // 10,
            samples=pb.Samples(
                format=pb.SAMPLE_FORMAT_S16LE,
                sample_rate_hz=RATE_HZ,
                num_channels=1,
                data=sound[tenth * TENTH : (tenth + 1) * TENTH].astype("<i2").tobytes(),
            ),
        )
        for tenth in range(10)
    ]
