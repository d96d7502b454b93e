"""Tables `[defects.NAME]` of a recipe."""

from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipes import load_recipe
from tests.bundles import write_toy_bundle
from tests.texts import recipe_text


def recipe_file(folder: Path, tables: str) -> Path:
    write_toy_bundle(folder / "toy")
    path = folder / "cup.toml"
    path.write_text(recipe_text(more=tables))
    return path


def test_limits_decisions_and_severities_are_read(tmp_path: Path) -> None:
    tables = "[defects.scratch]\nnever_pass_above = 0.1\nseverity = 'critical'\n[defects.rattle]\ndecision = 'review'\n"
    recipe = load_recipe(recipe_file(tmp_path, tables)).recipe
    assert recipe.defects["scratch"].never_pass_above == 0.1
    assert recipe.defects["scratch"].severity == "critical"
    assert recipe.defects["rattle"].decision == "review"
    assert misfits(recipe, load(tmp_path / "toy").schema) == []


def test_a_class_that_the_bundle_does_not_have_is_refused_with_the_likely_one(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_file(tmp_path, "[defects.scrach]\nnever_pass_above = 0.1\n")).recipe
    (problem,) = misfits(recipe, load(tmp_path / "toy").schema)
    assert str(problem) == (
        "recipe cup: defects.scrach: bundle 'toy' has no such class (it has scratch, rattle); did you mean 'scratch'?"
    )


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("[defects.scratch]\nnever_pas_above = 0.1\n", "did you mean 'never_pass_above'?"),
        ("[defects.scratch]\nnever_pass_above = 1.5\n", "defects.scratch.never_pass_above = 1.5"),
        ("[defects.scratch]\ndecision = 'pass'\n", "defects.scratch.decision = 'pass'"),
        ("[defects.scratch]\nseverity = 'majr'\n", "did you mean 'major'?"),
        ("[defects.scratch]\nseverity = 'critical'\ndecision = 'review'\n", "would let a person accept it"),
    ],
)
def test_a_wrong_table_is_refused_by_key_value_and_remedy(tmp_path: Path, tables: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe_file(tmp_path, tables))
    assert words in str(caught.value)
