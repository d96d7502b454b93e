"""A bundle is whole and means something, or it is refused with a helpful message."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from onnx.external_data_helper import set_external_data

from inspector.bundle.load import BundleError, load
from inspector.engines.engine import EngineSettings
from inspector.inference.model import open_model
from tests.bundles import edit_manifest, write_toy_bundle
from tests.inspector.rollout.test_check_process import with_spoiled_int8


def test_a_whole_bundle_loads(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    assert (bundle.schema.name, bundle.model_card) == ("toy", "# Toy\n")


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path)
    path = tmp_path / "full.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"file 'full.onnx' has SHA-256 \w+, expected \w+; copy"):
        load(tmp_path)


def test_a_lost_file_is_found(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path)
    (tmp_path / "head.onnx").unlink()
    with pytest.raises(BundleError, match=r"file 'head\.onnx' cannot be read"):
        load(tmp_path)


def compiled(file: str, part: str = "top-full") -> dict[str, object]:
    graph = {"part": part, "file": file, "precision": "int8", "seconds": 1.0, "num_bytes": 1}
    return {"engine": "onnx", "precision": "int8", "compiler": "onnxruntime 1", "graphs": [graph]}


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"schema_version": 2}, "schema_version: Input should be 1"),
        ({"spare": 1}, "spare: Extra inputs"),
        ({"files": {"../escape": "00"}}, "file name '../escape' is not plain"),
        ({"files": {"/etc/passwd": "00"}}, "file name '/etc/passwd' is not plain"),
        ({"files": {}}, "expert 'top-full' names file 'full.onnx', which `files` does not list"),
        ({"head": {"file": "../head.onnx", "cost_ms": 0}}, "head names file '../head.onnx', which `files` does not"),
        ({"policy": {"mode": "cascade", "low": 0.9, "high": 0.1}}, "policy.low = 0.9 lies above policy.high = 0.1"),
        ({"policy": {"static_experts": ["nose"]}}, "policy.static_experts names 'nose', which is none of"),
        ({"modalities": [{"name": "top", "kind": "image"}]}, "expert 'mic-ear' looks at 'mic', which is none of"),
        (
            {"modalities": [{"name": "top", "kind": "audio"}, {"name": "mic", "kind": "audio"}]},
            "expert 'top-full' takes an input of type 'image', but 'top' is audio",
        ),
        ({"classes": ["scratch"]}, "classes of modality 'mic' names 'rattle'"),
        ({"parity_set": "parity.zip"}, "the parity set names file 'parity.zip', which `files` does not list"),
        ({"compiled": [compiled("full.int8.onnx")]}, "'top-full' for onnx/int8 names file 'full.int8.onnx', which"),
        ({"compiled": [compiled("full.onnx", part="nose")]}, "onnx/int8 names 'nose', which is none of"),
        ({"compiled": [compiled("full.onnx")] * 2}, "compiled form 'onnx/int8' is listed twice"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, change: dict[str, object], finding: str) -> None:
    edit_manifest(write_toy_bundle(tmp_path), change)
    with pytest.raises(BundleError, match=finding):
        load(tmp_path)


ROUTER = {
    "first": ["top-thumb"],
    "centre": [0],
    "scale": [1],
    "threshold": 0,
    "paths": [[], ["top-full", "mic-ear"]],
    "weights": [[0, 0, 0, 0], [0, 0, 0, 0]],
    "bias": [0, 0],
    "experts": ["top-thumb", "top-full", "mic-ear"],
    "costs_ms": [1, 1, 1],
}


def test_a_router_is_loaded(tmp_path: Path) -> None:
    edit_manifest(write_toy_bundle(tmp_path), {"policy": {"mode": "learned", "router": ROUTER, "price": 0.1}})
    router = load(tmp_path).schema.policy.router
    assert router is not None
    assert router.paths == ((), ("top-full", "mic-ear"))


@pytest.mark.parametrize(
    ("policy", "finding"),
    [
        ({"mode": "static"}, "policy.mode = 'static' names no static_experts; name the experts to run"),
        ({"mode": "budgeted"}, "policy.mode = 'budgeted' has no policy.router"),
        ({"router": ROUTER | {"first": ["nose"]}}, "policy.router.first names 'nose'"),
        ({"router": ROUTER | {"costs_ms": [1]}}, "policy.router has costs of"),
        ({"router": ROUTER | {"paths": [[], ["nose"]]}}, "policy.router.paths names 'nose'"),
        ({"router": ROUTER | {"paths": [[], ["mic-ear"]]}}, "the first experts and the last of the paths are not all"),
        ({"router": ROUTER | {"centre": [0, 0]}}, "policy.router.centre has 2 entries, expected 1"),
        ({"router": ROUTER | {"bias": [0]}}, "policy.router.bias has 1 entries, expected 2"),
        ({"router": ROUTER | {"weights": [[0] * 4, [0] * 3]}}, "policy.router.weights has rows of a length other"),
        ({"router": ROUTER | {"scale": [0]}}, "policy.router.scale.0: Input should be greater than 0"),
    ],
)
def test_a_policy_that_means_nothing_is_named(tmp_path: Path, policy: dict[str, object], finding: str) -> None:
    edit_manifest(write_toy_bundle(tmp_path), {"policy": policy})
    with pytest.raises(BundleError, match=re.escape(finding)):
        load(tmp_path)


@pytest.mark.parametrize(
    ("limits", "finding"),
    [
        ({"pass_below": 0.8}, "pass_below = 0.8 lies above fail_above = 0.7"),
        ({"experts": ["top-thumb", "mic-ear"]}, "the experts are not sorted"),
        ({"experts": ["nose"]}, "names 'nose'"),
    ],
)
def test_a_calibration_that_means_nothing_is_named(tmp_path: Path, limits: dict[str, object], finding: str) -> None:
    write_toy_bundle(tmp_path)
    whole = json.loads((tmp_path / "bundle.json").read_text())["calibrations"]
    edit_manifest(tmp_path, {"calibrations": [whole[0] | limits]})
    with pytest.raises(BundleError, match=finding):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"token_dim": 3}, r"full.onnx output 'tokens' has shape \(any, 1, 2\), expected \(any, 1, 3\)"),
        ({"classes": ["scratch", "rattle", "dent"]}, r"head.onnx output 'logits' has shape \(any, 3\), expected"),
    ],
)
def test_a_graph_that_is_not_what_the_bundle_says_is_refused(
    tmp_path: Path, change: dict[str, object], finding: str
) -> None:
    edit_manifest(write_toy_bundle(tmp_path), change)
    with pytest.raises(BundleError, match=finding):
        open_model(load(tmp_path), EngineSettings())


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path)
    experts = json.loads((tmp_path / "bundle.json").read_text())["experts"]
    edit_manifest(tmp_path, {"experts": [experts[0], {**experts[1], "name": "top-wide"}, experts[2]], "calibrations": [
        {"experts": ["top-thumb"], "temperature": 1, "bias": 0, "pass_below": 0, "fail_above": 1}]})  # fmt: skip
    with pytest.raises(BundleError, match=r"head\.onnx input 'logits_top-wide' is absent"):
        open_model(load(tmp_path), EngineSettings())


def with_weights_beside(folder: Path, graph: str, location: str, inside: bool = False) -> None:
    """Adds a tensor to a graph, or to a branch of it where `inside`, whose values lie in a separate file."""
    model = onnx.load(folder / graph)
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
    (folder / location).write_bytes(tensor.raw_data)
    set_external_data(tensor, location, 0, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    if inside:
        branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
        model.graph.node.append(onnx.helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=branch))
    else:
        model.graph.initializer.append(tensor)
    (folder / graph).write_bytes(model.SerializeToString())
    list_files(folder, graph)


def list_files(folder: Path, *names: str) -> None:
    files = json.loads((folder / "bundle.json").read_text())["files"]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    edit_manifest(folder, {"files": files | hashes})


@pytest.mark.parametrize("inside", [False, True])
def test_weights_that_no_hash_covers_are_refused(tmp_path: Path, inside: bool) -> None:
    folder = write_toy_bundle(tmp_path / "b")
    with_weights_beside(folder, "full.onnx", "weights.bin", inside)
    with pytest.raises(BundleError, match=r"'full.onnx' takes weights from \['weights.bin'\], which `files` does not"):
        load(folder)


def test_weights_that_are_listed_load_and_are_hashed(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "b")
    with_weights_beside(folder, "full.onnx", "weights.bin")
    list_files(folder, "weights.bin")
    assert open_model(load(folder), EngineSettings()).experts
    (folder / "weights.bin").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"'weights.bin' has SHA-256"):
        load(folder)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_weights_next_to_a_compiled_graph_are_refused_when_it_is_opened(tmp_path: Path, engine: str) -> None:
    folder = with_spoiled_int8(write_toy_bundle(tmp_path / "b"))
    (folder / "full.int8.onnx").write_bytes((folder / "full.onnx").read_bytes())
    with_weights_beside(folder, "full.int8.onnx", "weights.bin")
    compiled = json.loads((folder / "bundle.json").read_text())["compiled"]
    edit_manifest(folder, {"compiled": [form | {"engine": engine} for form in compiled]})
    assert "takes weights from ['weights.bin']" in load(folder).file_fault("full.int8.onnx")


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "b")
    (folder / "full.onnx").write_bytes(b"graph")
    list_files(folder, "full.onnx")
    with pytest.raises(BundleError, match=r"'full.onnx' is no ONNX graph"):
        load(folder)
