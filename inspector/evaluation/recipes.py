"""Chooses the recipe of an evaluation: the named one, or one that requires everything of the bundle."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from inspector.dataset.manifest import PieceRow
from inspector.inference.model import Model
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import load_recipe
from inspector.recipe.strict_recipe import strict_recipe


def recipe_for(model: Model, rows: Sequence[PieceRow], file: Path | None) -> Recipe:
    """Of any line and station, and without evidence, which changes no decision. Raises ConfigError.

    Without a file, every piece must bring as many images of each camera as any row does.
    """
    if file is None:
        return strict_recipe(model.schema, model.bundle.folder, most_frames(rows))
    changes = {"line": "*", "station": "*", "bundle": model.bundle.folder, "evidence": "never"}
    recipe = load_recipe(file).recipe.model_copy(update=changes)
    if problems := misfits(recipe, model.schema):
        raise ConfigError(problems)
    return recipe


def most_frames(rows: Sequence[PieceRow]) -> dict[str, int]:
    """By camera, the most images that a piece has of it."""
    counts = Counter[str]()
    for row in rows:
        counts |= Counter(image.camera for image in row.images)
    return dict(counts)
