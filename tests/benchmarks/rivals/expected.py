"""The publisher's pool of pieces as requests, and what the service's judge says of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inspector.api.inspector import Inspector
from inspector.api.pieces import Piece, request_of
from inspector.api.verdict import Verdict
from inspector.recipe.recipes import load_recipe
from inspector.replay.pieces import LinePiece, SimulatedPieces
from inspector.simulation.pieces import LineSettings
from protos.inspection.v1.service_pb2 import InspectRequest
from protos.inspection.v1.verdict_pb2 import Decision
from tests.benchmarks.setting import ROOT

RECIPE = ROOT / "deploy/recipes/demo.toml"
BUNDLE = ROOT / "deploy/bundles/demo"


def pool(num: int) -> list[LinePiece]:
    """The first pieces that `tests.benchmarks.publisher` repeats."""
    simulated = SimulatedPieces(LineSettings(seed=2026), num)
    return [simulated.piece(number) for number in range(num)]


def requests_of(pieces: Sequence[LinePiece]) -> list[InspectRequest]:
    spec = load_recipe(RECIPE).recipe.assembly
    requests = []
    for piece in pieces:
        request = request_of(_inputs(piece), spec, "disc", "bgr")
        request.inspection.line, request.inspection.station = "line-1", "station-1"
        requests.append(request)
    return requests


def verdicts_of(pieces: Sequence[LinePiece], bundle: Path = BUNDLE) -> list[Verdict]:
    inspector = Inspector.from_pretrained(bundle, recipe=RECIPE, evidence="never", engines=["onnx/fp32"])
    return list(inspector.inspect_many([_inputs(piece) for piece in pieces]))


def decisions_of(verdicts: Sequence[Verdict]) -> list[int]:
    """Numbers of `Decision`."""
    return [int(Decision.Value(f"DECISION_{verdict.decision.upper()}")) for verdict in verdicts]


def expected_decisions(num_sent: int, decisions: Sequence[int]) -> Mapping[str, int]:
    """By the publisher's piece ids, which repeat the pool in order."""
    return {f"b-{number:06d}": decisions[number % len(decisions)] for number in range(num_sent)}


def _inputs(piece: LinePiece) -> Piece:
    images = {shot.camera: [shot.data] for shot in piece.shots}
    signals = {name: (clip.samples, clip.sample_rate_hz) for name, clip in piece.recordings.items()}
    return Piece(images, signals, piece.piece_id, "disc")
