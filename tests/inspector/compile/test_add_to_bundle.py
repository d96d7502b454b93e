"""A compiled form enters a bundle whole or not at all, and leaves no file of the one that it replaces."""

import shutil
from pathlib import Path
from threading import Thread

import pytest

from inspector.bundle import files as files_module
from inspector.bundle.card import write_section
from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.bundle.schema import Compiled
from inspector.compile import add_to_bundle
from inspector.compile.add_to_bundle import add_form
from inspector.compile.compile import compile_bundle
from inspector.compile.job import CompiledVariant, GraphArtifact, Wish
from inspector.parity.report import ParityReport
from tests.bundles import edit_manifest, write_toy_bundle
from tests.crashes import crash_at

REPORT = ParityReport(
    bundle="toy 1", engine="onnx/int8", num_pieces=10, num_calibration=10, max_difference=0.25, changes=()
)


@pytest.fixture
def bundle(tmp_path: Path) -> LoadedBundle:
    return load(write_toy_bundle(tmp_path / "toy"))


def graph_named(text: str) -> bytes:
    """An ONNX model of nothing but the name of its producer."""
    return b"\x12" + bytes([len(text)]) + text.encode()


def form(scratch: Path, content: str, suffix: str = ".onnx") -> CompiledVariant:
    """Two graphs of four are new."""
    artifacts = []
    for part in ("top-thumb", "mic-ear"):
        path = scratch / f"{part}{suffix}"
        path.write_bytes(graph_named(f"{part} {content}"))
        artifacts.append(GraphArtifact(part, path, "int8", 1.234, 0.5))
    artifacts.append(GraphArtifact("head", None, "fp32", 0.0, why="too small"))
    return CompiledVariant("compiler 1", (), (1, 2), tuple(artifacts), REPORT)


def compiled_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "-int8-" in path.name or "-fp16-" in path.name}


def names(compiled: Compiled) -> set[str]:
    return {graph.file for graph in compiled.graphs if graph.part != "head"}


def test_a_form_is_listed_with_its_files_and_their_hashes(tmp_path: Path, bundle: LoadedBundle) -> None:
    compiled = add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "a"))
    bundle_after = load(bundle.folder)
    assert bundle_after.schema.compiled == (compiled,)
    assert all(not bundle_after.file_fault(graph.file) for graph in compiled.graphs)
    assert compiled_files(bundle.folder) == names(compiled)
    assert compiled.graphs[0].num_bytes == len(graph_named("top-thumb a"))
    assert (compiled.graphs[2].file, compiled.graphs[2].why) == ("head.onnx", "too small")
    assert compiled.parity == REPORT.parity()


def test_what_onnx_runtime_counted_is_not_said_of_tensorrt(tmp_path: Path, bundle: LoadedBundle) -> None:
    assert add_form(bundle, Wish("tensorrt", "fp16"), form(tmp_path, "a", ".engine")).parity is None


def test_compiling_again_replaces_the_entry_and_its_files_and_no_other(tmp_path: Path, bundle: LoadedBundle) -> None:
    other = add_form(bundle, Wish("tensorrt", "fp16"), form(tmp_path, "a", ".engine"))
    add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "b"))
    newest = add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "c"))
    assert load(bundle.folder).schema.compiled == (other, newest)
    assert compiled_files(bundle.folder) == names(other) | names(newest)
    assert set(load(bundle.folder).schema.files) >= names(other) | names(newest)


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_crash_leaves_the_old_bundle_and_the_next_form_tidies_up(
    tmp_path: Path, bundle: LoadedBundle, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    wish = Wish("onnx", "int8")
    old = add_form(bundle, wish, form(tmp_path, "a"))
    before = load(bundle.folder).digest
    with crash_at(last, add_to_bundle, monkeypatch):
        add_form(bundle, wish, form(tmp_path, "b"))
    bundle_after = load(bundle.folder)
    assert (bundle_after.digest, bundle_after.schema.compiled) == (before, (old,))
    assert all(not bundle_after.file_fault(name) for name in names(old))
    newest = add_form(bundle, wish, form(tmp_path, "c"))
    assert compiled_files(bundle.folder) == names(newest)


def test_a_copy_leaves_the_bundle_as_it_was(tmp_path: Path, bundle: LoadedBundle) -> None:
    out = tmp_path / "copies/box"
    compiled = add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "a"), out)
    assert load(out).schema.compiled == (compiled,)
    assert load(bundle.folder).digest == bundle.digest
    assert not compiled_files(bundle.folder)
    with pytest.raises(BundleError, match="exists; name a folder that does not"):
        add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "b"), out)


def test_what_came_to_the_bundle_since_comes_along(tmp_path: Path, bundle: LoadedBundle) -> None:
    other = add_form(bundle, Wish("tensorrt", "fp16"), form(tmp_path, "a", ".engine"))
    write_section(load(bundle.folder), "Measured", "all is well")
    compiled = add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "b"), tmp_path / "box")
    bundle_after = load(tmp_path / "box")
    assert bundle_after.schema.compiled == (other, compiled)
    assert not any(map(bundle_after.file_fault, bundle_after.schema.files))
    assert bundle_after.model_card.endswith("all is well\n")


def test_a_copy_touches_nothing_that_lies_next_to_it(tmp_path: Path, bundle: LoadedBundle) -> None:
    foreign = tmp_path / "box.part/notes.txt"
    foreign.parent.mkdir()
    foreign.write_text("somebody's")
    variant, before = form(tmp_path, "a"), {path.name for path in tmp_path.iterdir()}
    add_form(bundle, Wish("onnx", "int8"), variant, tmp_path / "box")
    assert foreign.read_text() == "somebody's"
    assert {path.name for path in tmp_path.iterdir()} == before | {"box"}


def test_a_copy_that_is_there_is_said_before_anything_is_compiled(tmp_path: Path, bundle: LoadedBundle) -> None:
    """The toy has no parity set: compiling would have to say that first."""
    with pytest.raises(BundleError, match="exists; name a folder that does not"):
        compile_bundle(bundle, Wish("onnx", "int8"), lambda part, doing: None, out=tmp_path)


def test_two_that_add_at_once_lose_neither_form(
    tmp_path: Path, bundle: LoadedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes when the first has read the bundle's list."""
    second = form(tmp_path, "b", ".engine")
    other = Thread(target=lambda: add_form(bundle, Wish("tensorrt", "fp16"), second))

    def replace(path: Path, content: bytes, whole=files_module.replace_file) -> None:
        if other.ident is None:
            other.start()
            other.join(0.2)
        whole(path, content)

    monkeypatch.setattr(add_to_bundle, "replace_file", replace)
    add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "a"))
    other.join()
    assert {c.engine for c in load(bundle.folder).schema.compiled} == {"onnx", "tensorrt"}


def test_another_bundle_that_was_put_there_meanwhile_is_left_alone(tmp_path: Path, bundle: LoadedBundle) -> None:
    shutil.copyfile(bundle.folder / "full.onnx", bundle.folder / "thumb.onnx")
    files = dict(bundle.schema.files)
    edit_manifest(bundle.folder, {"files": files | {"thumb.onnx": files["full.onnx"]}})
    with pytest.raises(BundleError, match="another bundle was put there meanwhile"):
        add_form(bundle, Wish("onnx", "int8"), form(tmp_path, "a"))
    assert not compiled_files(bundle.folder)
