"""Turns the models of files into reference pages, and names every model that a page must show."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import inspector
from docs.generator.markdown import page, table
from inspector.bundle.schema import Bundle
from inspector.config.reference import Section, sections
from inspector.config.service import ServiceConfig
from inspector.dataset.manifest import PieceRow
from inspector.parity.report import ParityReport
from inspector.parity.schema import About, Piece
from inspector.recipe.recipe import Recipe
from inspector.training.checkpoint import Checkpoint
from inspector.training.config import TrainConfig


@dataclass(frozen=True, slots=True)
class FileKind:
    """A page about one kind of file."""

    title: str
    lead: str
    models: Mapping[str, type[BaseModel]]
    """Models of the files, by the name of the file."""


FILES: Mapping[str, FileKind] = {
    "configuration.md": FileKind(
        "Configuration",
        "The file that `--config` names, in TOML. Paths are relative to it, and an unknown key is an error. "
        "`inspector check FILE` explains a file; `inspector check --keys FILE` prints this page.",
        {"": ServiceConfig},
    ),
    "recipe.md": FileKind(
        "Recipe",
        "How one product is judged at one station, in TOML. The configuration's `recipes` names the files.",
        {"": Recipe},
    ),
    "training.md": FileKind(
        "Training", "The file that `inspector train --config` names, in TOML. No key is required.", {"": TrainConfig}
    ),
    "bundle.md": FileKind(
        "Bundle",
        "A bundle is a folder: `bundle.json`, one ONNX graph for each expert and one for the head, and a model card. "
        "`inspector train` writes it, and loading checks the SHA-256 of every file.",
        {
            "bundle.json": Bundle,
            "parity.zip: about.json": About,
            "parity.zip: a line of pieces.jsonl": Piece,
            "Report of inspector parity --report": ParityReport,
            "checkpoint.json of a checkpoint": Checkpoint,
        },
    ),
    "manifest.md": FileKind(
        "Manifest",
        "A data set is a folder with `manifest.jsonl`, one JSON object a line, one line a piece. Paths are relative to "
        "it. `inspector simulate --out DIR` writes an example.",
        {"": PieceRow},
    ),
}


def pages() -> Iterator[tuple[str, str]]:
    """Name and text of each page."""
    for name, kind in FILES.items():
        yield name, page(kind.title, kind.lead, _lines(kind))


def _lines(kind: FileKind) -> Iterator[str]:
    for file, model in kind.models.items():
        if file:
            yield from (f"## {file}", "")
        if file and (text := _graphs(model)):
            yield from ("```text", *text.splitlines(), "```", "")
        for section in sections(model):
            yield from section_lines(section, "###" if file else "##")


def _graphs(model: type[BaseModel]) -> str:
    """The part of a format module's docstring about files next to it."""
    module = inspect.getmodule(model)
    return inspect.cleandoc(module.__doc__ or "") if model is Bundle and module else ""


def section_lines(section: Section, mark: str) -> Iterator[str]:
    yield from (f"{mark} {_head(section)}", "", section.meaning, "")
    yield from table(
        ("key", "type", "default", "unit", "meaning"),
        (
            (f"`{key.name}`", key.type, "**required**" if key.default is None else _default(key.default), key.unit,
             key.meaning)
            for key in section.keys
        ),
    )  # fmt: skip


def _head(section: Section) -> str:
    return section.title if section.title == "Top level" else f"`{section.title}`"


def _default(text: str) -> str:
    return "" if text == "-" else f"`{text}`"


def models_of_files() -> set[type[BaseModel]]:
    """Every model of the package that has keys, wherever it lies."""
    for module in _modules_with_models():
        importlib.import_module(module)
    return {
        model for model in _subclasses(BaseModel) if model.__module__.startswith("inspector.") and model.model_fields
    }


def _subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for below in model.__subclasses__():
        yield below
        yield from _subclasses(below)


def _modules_with_models() -> list[str]:
    return modules_that_mention(inspector, "from pydantic import")


def modules_that_mention(package: ModuleType, text: str) -> list[str]:
    """Modules of a package whose source holds a text; the others, which may need a GPU, are not imported."""
    names = (info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
    return [name for name in names if text in _source(name)]


def _source(name: str) -> str:
    spec = find_spec(name)
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
