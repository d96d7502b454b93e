"""Without torch, torchvision, timm and librosa, pieces that take every route are served."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.client.client import WatchOptions
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.encoding import to_output
from streams.records import Output
from tests.integration.faults import ROOT
from tests.integration.service_line import Look, ServiceLine, serving

MODULE = "tests.integration.without_training"
SCOUTS, ALL = {"top-thumb", "mic-ear"}, {"top-thumb", "mic-ear", "top-full"}
LOOKS = {
    "plainly good": Look(),
    "plainly bad": Look(1.0, 1.0),
    "doubtful": Look(0.75, 0.25),
    "no microphone": Look(0.2, None),
    "doubtful, no microphone": Look(0.5, None),
    "no image": Look(grey=None),
}
EXPECTED = {
    "plainly good": ("PASS", "GOOD", SCOUTS),
    "plainly bad": ("FAIL", "DEFECT", SCOUTS),
    "doubtful": ("FAIL", "DEFECT", ALL),
    "no microphone": ("REVIEW", "MISSING_MODALITY", {"top-thumb"}),
    "doubtful, no microphone": ("REVIEW", "MISSING_MODALITY", {"top-thumb", "top-full"}),
    "no image": ("REVIEW", "NO_IMAGE", set()),
    "aborted": ("REVIEW", "ABORTED", set()),
    "unknown product": ("REVIEW", "NO_RECIPE", set()),
}
"""Decision, reason and the experts that ran, by piece."""
Outcome = tuple[str, str, set[str]]


def outcome(verdict: Verdict) -> Outcome:
    return (
        Decision.Name(verdict.decision).removeprefix("DECISION_"),
        DecisionReason.Name(verdict.reason).removeprefix("DECISION_REASON_"),
        {expert.expert for expert in verdict.experts if expert.ran},
    )


def records(line: ServiceLine) -> Iterator[Output]:
    """A piece every tenth of a second, until now."""
    times_ns = itertools.count(time.time_ns() - 10**9, 10**8)
    for piece, look in LOOKS.items():
        yield from line.piece(piece, look, capture_ns=next(times_ns))
    for kind in (pb.PIECE_EVENT_KIND_ENTERED, pb.PIECE_EVENT_KIND_ABORTED):
        yield to_output(line.topics, line.event("aborted", kind, next(times_ns)))
    yield from line.piece("unknown product", Look(), "spoon", next(times_ns))


def test_every_route_is_served(tmp_path: Path) -> None:
    line = ServiceLine.make(tmp_path)
    with serving(line, MODULE) as (_, client):
        watch = client.watch(WatchOptions(earliest=True))
        line.publish(list(records(line)))
        outcomes = {v.inspection.piece_id: outcome(v) for v, _ in itertools.islice(watch, len(EXPECTED))}
        watch.close()
        inline = {piece: outcome(client.inspect(look.request(piece))) for piece, look in LOOKS.items()}
    assert outcomes == EXPECTED
    assert inline == {piece: EXPECTED[piece] for piece in LOOKS}


@pytest.mark.parametrize("name", ["torch", "torchvision", "timm", "librosa"])
def test_the_training_half_is_really_absent(name: str) -> None:
    program = f"import sys; from {MODULE} import Absent; sys.meta_path.insert(0, Absent()); import {name}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert f"No module named '{name}'" in done.stderr


def test_training_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", MODULE, "train", "manifest.jsonl", "--out", str(tmp_path / "bundle")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is part of the training half: in the checkout, pip install '.[train]'" in done.stderr
