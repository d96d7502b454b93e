"""The Python examples publish by a service's configuration, and say what they lack."""

import shutil
import subprocess
import sys
import wave
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from streams.decode.items import Chunk, Event, Frame
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, RECIPE

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "producers"
RUN_S = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_toy_bundle(tmp_path / "own")
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    cv2.imwrite(str(tmp_path / "p.png"), np.arange(64, dtype=np.uint8).reshape(8, 8))
    with wave.open(str(tmp_path / "p.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(100)
        file.writeframes(np.arange(40, dtype="<i2").tobytes())
    for name in ("publish.py", "producer.py", "sensor.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False)


def test_a_picture_and_a_recording_reach_the_embedded_log(folder: Path) -> None:
    for words in (
        ("producer.py", "service.toml", "l1", "s1", "top", "cup", "P-1", "p.png"),
        ("sensor.py", "service.toml", "l1", "s1", "mic", "audio", "cup", "P-2", "p.wav"),
    ):
        done = run(folder, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    service = load_service(folder / "service.toml")
    with (
        closing(_embedded(service)) as log,
        closing(log.source(["l1"], service.config.prefix, "reader")) as reader,
    ):
        records = [record for _ in range(10) for record in reader.poll(0.05).records]
    items = [decode(record, Limits(), "l1") for record in records]
    assert [type(item) for item in items].count(Frame) == 1
    assert {item.inspection.piece_id for item in items if isinstance(item, Event)} == {"P-2"}
    assert sum(len(item.samples) for item in items if isinstance(item, Chunk)) == 40


@pytest.mark.parametrize("name", ["producer.py", "sensor.py"])
def test_without_records_pb2_an_example_says_how_to_make_it(folder: Path, name: str) -> None:
    done = run(folder, name, "127.0.0.1:9", "l1", "s1", "top", "cup", "P-1", "p.png")
    assert done.returncode == 1
    assert "No module named 'records_pb2': make it beside this file with" in done.stderr
    assert "python -m grpc_tools.protoc -I protos/inspection/v1 --python_out=. records.proto" in done.stderr
    assert "Traceback" not in done.stderr


def _embedded(service: Service) -> EmbeddedLog:
    log = open_log(service.path, service.config)
    assert isinstance(log, EmbeddedLog)
    return log
