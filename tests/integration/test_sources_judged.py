"""What `inspector source` publishes is judged by a running service, on the embedded log."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.dataset.recordings import write_wav
from protos.inspection.v1.verdict_pb2 import ModalityState, Verdict
from tests.bundles import grey
from tests.inspector.sources.places import write_video
from tests.integration.service_line import NUM_SAMPLES, RATE_HZ, ServiceLine, serving

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceLine]:
    line = ServiceLine.make(tmp_path_factory.mktemp("sources"))
    with serving(line):
        yield line


def source(line: ServiceLine, *words: str | Path, text: str = "") -> str:
    arguments = ["source", *map(str, words), "--config", str(line.folder / "service.toml")]
    done = CliRunner().invoke(main, arguments, input=text)
    assert done.exit_code == 0, done.output
    return done.output


def verdict(line: ServiceLine, piece: str) -> Verdict:
    line.wait_for_verdicts([piece], 120)
    (found,) = [verdict for verdict in line.verdicts() if verdict.inspection.piece_id == piece]
    return found


def present(found: Verdict) -> set[str]:
    return {part.name for part in found.modalities if part.state == ModalityState.MODALITY_STATE_PRESENT}


def test_a_picture_and_a_sound_of_a_folder_are_one_piece_with_a_whole_window(line: ServiceLine, tmp_path: Path) -> None:
    for number in (1, 2):
        noise = np.random.default_rng(number).integers(-1, 2, (48, 64))
        cv2.imwrite(str(tmp_path / f"f{number}_top.png"), (grey(0.25, (48, 64)) + noise).astype(np.uint8))
        samples = np.random.default_rng(number).integers(-90, 90, (NUM_SAMPLES, 1)).astype(np.int16)
        write_wav(tmp_path / f"f{number}_mic.wav", samples, int(RATE_HZ))
    output = source(line, "folder", tmp_path, "--once", "--poll", "0.05")
    assert "published 2 pieces of 4 files on l1/station-1" in output
    for number in (1, 2):
        assert present(verdict(line, f"f{number}")) == {"top", "mic"}


def test_pictures_of_a_video_are_pieces_by_the_lines_of_standard_input(line: ServiceLine, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", 60)
    source(line, "rtsp", video, "--again", "--stdin", "--wait", "60", text="v1\nv2\n")
    for piece in ("v1", "v2"):
        assert [frame.camera for frame in verdict(line, piece).inputs.frames] == ["top"]
