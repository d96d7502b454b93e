"""Puts a compiled form into a bundle, in the place of an earlier one of its kind. Compiles nothing.

Whoever loads the folder meanwhile, or after a crash, finds the old bundle or the new one: the new files have names of
their own (they hold a hash), the manifest that lists them comes after, and what only the old one listed goes last.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from inspector.bundle.files import replace_file, write_manifest
from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.bundle.schema import Bundle, Compiled, CompiledGraph
from inspector.compile.job import Form, Made, Wish
from inspector.engines.forms import parts


def add_form(bundle: LoadedBundle, wish: Wish, form: Form, out: Path | None = None) -> Compiled:
    """Into the bundle's folder, or into a copy of it at `out`. Raises BundleError."""
    try:
        folder = bundle.folder if out is None else _copied(bundle, out)
        compiled = _add(folder, bundle.schema, wish, form)
        if out is not None:
            folder.rename(out)
    except OSError as exc:
        raise BundleError(
            f"{exc.filename}: cannot be written ({exc.strerror}); make room there, or name --out"
        ) from exc
    return compiled


def _copied(bundle: LoadedBundle, out: Path) -> Path:
    """Beside `out`, so that it is there whole or not at all."""
    if out.exists():
        raise BundleError(f"{out} exists; name a folder that does not, or compile that bundle itself")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in bundle.schema.files:
        shutil.copyfile(bundle.path(name), part / name)
    write_manifest(part, bundle.schema)
    return part


def _add(folder: Path, compiled_from: Bundle, wish: Wish, form: Form) -> Compiled:
    found = load(folder).schema
    if list(_exported(found)) != list(_exported(compiled_from)):
        raise BundleError(f"{folder}: another bundle was put there meanwhile, and is left alone; compile it")
    own = re.compile(rf".+\.{wish.engine}-{wish.precision}-[0-9a-f]{{8}}\.(engine|onnx)(\.part)?")
    others = tuple(c for c in found.compiled if (c.engine, c.precision) != (wish.engine, wish.precision))
    compiled, files = _written(folder, found, wish, form)
    kept = {name: digest for name, digest in found.files.items() if not own.fullmatch(name)}
    listed = dict(sorted({**kept, **files}.items()))
    write_manifest(folder, found.model_copy(update={"compiled": (*others, compiled), "files": listed}))
    for path in folder.iterdir():
        if own.fullmatch(path.name) and path.name not in listed:
            path.unlink()
    return compiled


def _exported(schema: Bundle) -> Iterator[tuple[str, str, str]]:
    yield from ((part, file, schema.files[file]) for part, file in parts(schema))


def _written(folder: Path, schema: Bundle, wish: Wish, form: Form) -> tuple[Compiled, dict[str, str]]:
    """With the hashes of the new files."""
    exported = dict(parts(schema))
    files: dict[str, str] = {}
    graphs: list[CompiledGraph] = []
    for made in form.graphs:
        file = exported[made.part]
        if made.path is not None:
            content = made.path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            file = f"{made.part}.{wish.engine}-{wish.precision}-{digest[:8]}{made.path.suffix}"
            replace_file(folder / file, content)
            files[file] = digest
        graphs.append(_graph(made, file, (folder / file).stat().st_size))
    return form.compiled(wish, graphs), files


def _graph(made: Made, file: str, num_bytes: int) -> CompiledGraph:
    return CompiledGraph(
        part=made.part,
        file=file,
        precision=made.precision,
        seconds=round(made.seconds, 2),
        num_bytes=num_bytes,
        quantised=made.quantised,
        why=made.why,
    )
