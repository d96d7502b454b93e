"""Every graph is listed once for each runtime and file, under the engine label that it really runs as."""

import hashlib
import shutil
from pathlib import Path

import pytest

from inspector.benchmark.artefacts import BenchError, artefacts, chosen, forms_of
from inspector.bundle.load import LoadedBundle, load
from inspector.engines.tensorrt.engine_file import EngineFile
from tests.bundles import write_toy_bundle
from tests.standins.gpus import add_form


def quantised_toy(folder: Path) -> LoadedBundle:
    """A form onnx/int8 of one expert alone."""
    write_toy_bundle(folder)
    path = Path(shutil.copy(folder / "thumb.onnx", folder / "thumb.int8.onnx"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    add_form(folder, "onnx/int8", {"top-thumb": EngineFile(path, digest, "onnxruntime 1", (), ())})
    return load(folder)


def test_forms_begin_with_the_reference(tmp_path: Path) -> None:
    assert list(map(str, forms_of(quantised_toy(tmp_path).schema))) == ["onnx/fp32", "openvino/fp32", "onnx/int8"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ["onnx/fp32", "openvino/fp32", "onnx/int8"]), (["onnx"], ["onnx/fp32", "onnx/int8"]),
     (["onnx/int8", "openvino"], ["openvino/fp32", "onnx/int8"])],
)  # fmt: skip
def test_forms_are_chosen_by_engine_and_precision(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    assert list(map(str, chosen(forms_of(quantised_toy(tmp_path).schema), names))) == expected


def test_a_form_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no tensorrt/fp16: it has onnx/fp32, openvino/fp32, onnx/int8; make it by"):
        chosen(forms_of(quantised_toy(tmp_path).schema), ["tensorrt/fp16"])


def test_what_forms_share_stands_there_once(tmp_path: Path) -> None:
    bundle = quantised_toy(tmp_path)
    listed = artefacts(bundle, forms_of(bundle.schema, threads=2))
    assert [(artefact.part, str(artefact.runs_as), artefact.file, str(artefact.form)) for artefact in listed] == [
        ("top-thumb", "onnx/fp32", "thumb.onnx", "onnx/fp32"),
        ("top-thumb", "openvino/fp32", "thumb.onnx", "openvino/fp32"),
        ("top-thumb", "onnx/int8", "thumb.int8.onnx", "onnx/int8"),
        ("top-full", "onnx/fp32", "full.onnx", "onnx/fp32"),
        ("top-full", "openvino/fp32", "full.onnx", "openvino/fp32"),
        ("mic-ear", "onnx/fp32", "ear.onnx", "onnx/fp32"),
        ("mic-ear", "openvino/fp32", "ear.onnx", "openvino/fp32"),
        ("head", "onnx/fp32", "head.onnx", "onnx/fp32"),
        ("head", "openvino/fp32", "head.onnx", "openvino/fp32"),
    ]
    assert listed[2].num_bytes == (tmp_path / "thumb.int8.onnx").stat().st_size
    assert {artefact.form.threads for artefact in listed} == {2}
