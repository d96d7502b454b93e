"""Recognises the kind of a user's file, and explains its keys."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from inspector.bundle.schema import MANIFEST_NAME, Bundle
from inspector.config.reference import reference_lines
from inspector.config.service import ServiceConfig
from inspector.dataset.manifest import PieceRow
from inspector.recipe.problems import ConfigError, Problem, load_toml
from inspector.recipe.recipe import Recipe
from inspector.training.config import TrainConfig

KINDS: Mapping[str, type[BaseModel]] = {
    "configuration of a service": ServiceConfig,
    "recipe": Recipe,
    "configuration of a training": TrainConfig,
}
"""Kinds of TOML files."""
_NAMES: Mapping[str, str] = {
    "service.toml": "configuration of a service",
    "recipe.toml": "recipe",
    "train.toml": "configuration of a training",
}
"""Kinds of files that are not there yet, or have no key yet."""


class _AnyKeys(BaseModel):
    model_config = ConfigDict(extra="allow")


def explain_keys(file: Path) -> Iterator[str]:
    """Lines for a terminal; the file may have mistakes. Raises ConfigError where its kind is not recognised."""
    name, model = kind_of(file)
    yield f"{file} is a {name}. Its keys:"
    yield ""
    yield from reference_lines(model)


def kind_of(file: Path) -> tuple[str, type[BaseModel]]:
    """The name and the model of the kind that has most of the file's top-level keys."""
    if file.name == MANIFEST_NAME:
        return "bundle's content", Bundle
    if file.suffix == ".jsonl":
        return "data set's manifest, one object a line", PieceRow
    usual = _NAMES.get(file.name)
    if usual is not None and not file.exists():
        return usual, KINDS[usual]
    keys = (load_toml(file, _AnyKeys).model_extra or {}).keys()
    if usual is not None and not keys:
        return usual, KINDS[usual]
    shared = {name: len(keys & model.model_fields.keys()) for name, model in KINDS.items()}
    name = max(shared, key=lambda kind: shared[kind])
    if not shared[name]:
        expectation = f"has no key of a {', '.join(KINDS)}"
        raise ConfigError([Problem(file, "file", "", expectation, "name one of these files")])
    return name, KINDS[name]
