"""`Inspector` judges the demo's 600 pieces as the service does on a line: decisions equal, scores within 1e-6."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path

from inspector import Inspector, Piece
from inspector.config.opening import open_log
from inspector.config.service import load_service
from inspector.demo.run import DemoSettings
from inspector.replay.pacing import Clock
from inspector.replay.pieces import LinePiece, SimulatedPieces
from inspector.replay.run import Request, prepare
from inspector.simulation.dataset import MICROPHONE
from protos.inspection.v1.verdict_pb2 import Verdict
from tests.benchmarks.setting import ROOT, Receiver, Setting, service
from tests.integration.faults import wait_for

NUM_PIECES, RATE_HZ, STATIONS = 600, 100.0, 64
WINDOW_SAMPLES = 4000


class SimulatedOnce(SimulatedPieces):
    """The line and two inspectors take the same pieces; simulating one takes as long as judging it."""

    @cache  # noqa: B019 - for one test
    def piece(self, number: int) -> LinePiece:
        return super().piece(number)


def test_the_demos_pieces_have_the_services_verdicts(tmp_path: Path) -> None:
    source = SimulatedOnce(DemoSettings(Path()).line, NUM_PIECES)
    on_line = verdicts_of_the_line(source, tmp_path / "line")
    inspector = Inspector.from_pretrained(ROOT / "deploy/bundles/demo", recipe=ROOT / "deploy/recipes/demo.toml")
    own_limits = Inspector.from_pretrained(ROOT / "deploy/bundles/demo")
    verdicts = list(inspector.inspect_many(pieces(source)))
    assert len(verdicts) == NUM_PIECES
    for verdict in verdicts:
        expected = on_line[verdict.piece_id]
        assert (verdict.message.decision, verdict.message.reason) == (expected.decision, expected.reason)
        assert abs(verdict.message.defect_score - expected.defect_score) <= 1e-6
        assert verdict.experts == {run.expert: run.ran for run in expected.experts}
    for verdict, other in zip(verdicts, own_limits.inspect_many(islice(pieces(source), 100)), strict=False):
        assert (other.decision, other.reason) == (verdict.decision, verdict.reason), "the recipe sets no limits"


def pieces(source: SimulatedPieces) -> Iterator[Piece]:
    for number in range(len(source)):
        piece = source.piece(number)
        (shot,), sound = piece.shots, piece.recordings[MICROPHONE]
        signals = {MICROPHONE: (sound.samples[:WINDOW_SAMPLES], sound.sample_rate_hz)}
        yield Piece({shot.camera: shot.data}, signals, piece.piece_id)


def verdicts_of_the_line(source: SimulatedPieces, folder: Path) -> dict[str, Verdict]:
    recipe = (
        (ROOT / "deploy/recipes/demo.toml").read_text().replace('"../bundles/demo"', f'"{ROOT}/deploy/bundles/demo"')
    )
    setting = Setting.create(folder, "", recipe, max_delay_s=120.0)
    setting.bear_a_busy_machine()
    verdicts: dict[str, Verdict] = {}
    with service(setting), Receiver(setting.address) as receiver:
        config = load_service(setting.config)
        run = prepare(source, config, Request(rate_hz=RATE_HZ, stations=STATIONS), Clock().now_ns())
        with closing(open_log(config.path, config.config).publisher()) as publisher:
            run.publish(publisher, Clock())

        def all_are_there() -> bool:
            verdicts.update({verdict.inspection.piece_id: verdict for verdict, _ in receiver.drain()})
            return len(verdicts) == NUM_PIECES

        wait_for(all_are_there, 120, "the verdicts of all pieces")
    return verdicts
