"""Serving loads nothing of the training half."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINING = {
    "torch",
    "torchvision",
    "timm",
    "librosa",
    "mapie",
    "onnx",
    "onnxscript",
    "sklearn",
    "safetensors",
}
EXTRAS = {"openvino", "tensorrt", "tensorrt_rtx", "cuda", "ml_dtypes"}
SCRIPT = """
import importlib, json, pkgutil, sys
import streams, inspector.engines, inspector.judging.routed_judge, inspector.judging.describe_model
for name in [m.name for m in pkgutil.walk_packages(streams.__path__, "streams.")]:
    importlib.import_module(name)
for name in ("inspector.cli", "inspector.worker.pipeline", "inspector.gateway", "inspector.config.service"):
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_serving_imports_nothing_of_the_training_half() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"cv2", "inspector", "streams"} <= loaded
    assert (
        loaded & (TRAINING | {"onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings", "cuda"})
        == set()
    )


def test_a_worker_loads_no_page_and_no_database() -> None:
    script = (
        "import json, sys, inspector.cli.serving; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "grpc" in loaded
    # Kafka's client is loaded where the log is Kafka.
    assert loaded & {"starlette", "uvicorn", "jinja2", "sqlalchemy", "alembic", "paho", "kafka"} == set()


def test_evaluate_runs_without_the_training_half() -> None:
    script = "import json, sys, inspector.cli.evaluating; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & (TRAINING | {"scipy", "pandas", "matplotlib"}) == set()
