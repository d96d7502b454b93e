"""A session's memory is measured in a separate process, which loads no other runtime."""

import subprocess
import sys
from pathlib import Path

import pytest

from inspector.benchmark.artefacts import Artefact, BenchError
from inspector.benchmark.memory import measure_memory
from inspector.bundle.load import load
from inspector.engines.engine import EngineSettings
from tests.bundles import write_toy_bundle

ROOT = Path(__file__).parents[3]
WATCHED = """
import sys
from inspector.benchmark import memory
memory.main()
print(sorted({"onnxruntime", "openvino", "torch", "tensorrt_rtx"} & set(sys.modules)))
"""


def artefact(part: str) -> Artefact:
    return Artefact(part, EngineSettings(), EngineSettings(), "", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells private bytes")
def test_a_session_holds_something_and_held_more_meanwhile(tmp_path: Path) -> None:
    memory = measure_memory(load(write_toy_bundle(tmp_path)), artefact("mic-ear"))
    assert memory is not None
    assert 0 < memory.held_bytes < 50 * 2**20
    assert memory.peak_bytes >= 0
    assert memory.device_bytes == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells private bytes")
def test_a_process_that_fails_is_said(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    (tmp_path / "ear.onnx").write_bytes(b"no graph")
    with pytest.raises(BenchError, match=r"mic-ear in onnx/fp32: the process that measures its memory failed: .*SHA"):
        measure_memory(bundle, artefact("mic-ear"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells private bytes")
@pytest.mark.parametrize(("form", "runtime"), [("onnx/fp32", "onnxruntime"), ("openvino/fp32", "openvino")])
def test_the_process_loads_the_runtime_alone(tmp_path: Path, form: str, runtime: str) -> None:
    arguments = [str(write_toy_bundle(tmp_path)), form, "mic-ear", "1"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"['{runtime}']"
