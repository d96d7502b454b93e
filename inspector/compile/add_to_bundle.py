"""Adds a compiled variant to a bundle and replaces an earlier one of its kind.

A process that loads the folder meanwhile, or after a crash, sees the old bundle or the new one: new files have unique
names (with a hash), the manifest that lists them is written next, and files only in the old one are removed last.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.bundle.copying import staged_copy
from inspector.bundle.files import replace_file, write_manifest
from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.bundle.schema import Bundle, Compiled, CompiledGraph
from inspector.compile.job import CompiledVariant, GraphArtifact, Wish
from inspector.engines.variants import parts


def add_form(bundle: LoadedBundle, wish: Wish, form: CompiledVariant, out: Path | None = None) -> Compiled:
    """Into the bundle's folder, or into a copy of it at `out`. Raises BundleError."""
    demand_free(out)
    try:
        if out is None:
            return _add(bundle.folder, bundle.schema, wish, form)
        return _add_to_copy(bundle, wish, form, out)
    except OSError as exc:
        raise BundleError(
            f"{exc.filename}: cannot be written ({exc.strerror}); make room there, or name --out"
        ) from exc


def demand_free(out: Path | None) -> None:
    """Raises BundleError where a copy would lie upon something."""
    if out is not None and out.exists():
        raise BundleError(f"{out} exists; name a folder that does not, or compile that bundle itself")


def _add_to_copy(bundle: LoadedBundle, wish: Wish, form: CompiledVariant, out: Path) -> Compiled:
    """Read again from the folder: another variant or a card may have been added since compilation began."""
    with staged_copy(load(bundle.folder), out) as copy:
        compiled = _add(copy, bundle.schema, wish, form)
        copy.rename(out)
    return compiled


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits for other processes that add to this folder, so that no entry is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _add(folder: Path, compiled_from: Bundle, wish: Wish, form: CompiledVariant) -> Compiled:
    with _alone(folder):
        return _add_alone(folder, compiled_from, wish, form)


def _add_alone(folder: Path, compiled_from: Bundle, wish: Wish, form: CompiledVariant) -> Compiled:
    schema = load(folder).schema
    if list(_exported(schema)) != list(_exported(compiled_from)):
        raise BundleError(f"{folder}: another bundle was put there meanwhile, and is left alone; compile it")
    compiled_file = re.compile(rf".+\.{wish.engine}-{wish.precision}-[0-9a-f]{{8}}\.(engine|onnx)(\.part)?")
    others = tuple(c for c in schema.compiled if (c.engine, c.precision) != (wish.engine, wish.precision))
    compiled, files = _written(folder, schema, wish, form)
    kept = {name: digest for name, digest in schema.files.items() if not compiled_file.fullmatch(name)}
    listed = dict(sorted({**kept, **files}.items()))
    write_manifest(folder, schema.model_copy(update={"compiled": (*others, compiled), "files": listed}))
    for path in folder.iterdir():
        if compiled_file.fullmatch(path.name) and path.name not in listed:
            path.unlink()
    return compiled


def _exported(schema: Bundle) -> Iterator[tuple[str, str, str]]:
    yield from ((part, file, schema.files[file]) for part, file in parts(schema))


def _written(folder: Path, schema: Bundle, wish: Wish, form: CompiledVariant) -> tuple[Compiled, dict[str, str]]:
    """With the hashes of the new files."""
    exported = dict(parts(schema))
    files: dict[str, str] = {}
    graphs: list[CompiledGraph] = []
    for artifact in form.graphs:
        file = exported[artifact.part]
        if artifact.path is not None:
            content = artifact.path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            file = f"{artifact.part}.{wish.engine}-{wish.precision}-{digest[:8]}{artifact.path.suffix}"
            replace_file(folder / file, content)
            files[file] = digest
        graphs.append(_graph(artifact, file, (folder / file).stat().st_size))
    return form.compiled(wish, graphs), files


def _graph(artifact: GraphArtifact, file: str, num_bytes: int) -> CompiledGraph:
    return CompiledGraph(
        part=artifact.part,
        file=file,
        precision=artifact.precision,
        seconds=round(artifact.seconds, 2),
        num_bytes=num_bytes,
        quantised=artifact.quantised,
        why=artifact.why,
    )
