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


_BY_NAME = {
    "service.toml": "configuration of a service",
    "recipe.toml": "recipe",
    "train.toml": "configuration of a training",
}
"""Names by which a file that has no key yet, or is yet to be written, is recognised."""


class _AnyKeys(BaseModel):
    model_config = ConfigDict(extra="allow")


def explain_keys(file: Path) -> Iterator[str]:
    """Lines for a terminal; the file may have mistakes. Raises ConfigError where its kind is not recognised."""
    name, model = kind_of(file)
    yield f"{file} is a {name}. Its keys:"
    yield ""
    yield from reference_lines(model)


def kind_of(file: Path) -> tuple[str, type[BaseModel]]:
    """The name and the model of the kind that has most of the file's top-level keys, else the usual name."""
    if file.name == MANIFEST_NAME:
        return "bundle's content", Bundle
    if file.suffix == ".jsonl":
        return "data set's manifest, one object a line", PieceRow
    expected = _BY_NAME.get(file.name)
    if expected is not None and not file.exists():
        return expected, KINDS[expected]
    keys = (load_toml(file, _AnyKeys).model_extra or {}).keys()
    shared = {name: len(keys & model.model_fields.keys()) for name, model in KINDS.items()}
    name = max(shared, key=lambda kind: shared[kind])
    if shared[name]:
        return name, KINDS[name]
    if expected is not None:
        return expected, KINDS[expected]
    expectation = f"has no key of a {', '.join(KINDS)}"
    raise ConfigError([Problem(file, "file", "", expectation, f"name a file that has one, or {', '.join(_BY_NAME)}")])
