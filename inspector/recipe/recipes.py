"""Loads recipe files and finds the recipe that fits a piece.

A recipe names line, station and product, or `*` for any; the one with the most names given wins.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from inspector.recipe.problems import ConfigError, Problem, load_toml
from inspector.recipe.recipe import Recipe
from streams.join.assembly import AssemblySpec, SensorSpec

ANY = "*"


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe and where it was read; its paths are resolved against the file's folder."""

    path: Path
    recipe: Recipe


def load_recipe(path: Path) -> RecipeFile:
    """Raises ConfigError with every problem of the file."""
    recipe = load_toml(path, Recipe)
    folders = {"bundle": recipe.bundle, "golden": recipe.golden}
    resolved = {name: (path.parent / relative).resolve() for name, relative in folders.items() if relative is not None}
    return RecipeFile(path, recipe.model_copy(update=resolved))


def find_recipe_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Files that the patterns name, each once, in order. Raises ConfigError for a pattern that names none."""
    files: dict[Path, None] = {}
    problems = []
    for pattern in patterns:
        paths = _matching(folder, pattern)
        files.update(dict.fromkeys(paths))
        if not paths:
            problems.append(
                Problem(folder, "recipes", repr(pattern), "names no file", "correct the pattern or add a recipe there")
            )
    if problems:
        raise ConfigError(problems)
    return list(files)


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Empty where the text is no pattern, such as an empty one."""
    path = Path(pattern)
    try:
        if path.is_absolute():
            return sorted(path.parent.glob(path.name))
        while pattern.startswith("../"):
            folder, pattern = folder.resolve().parent, pattern[3:]
        return sorted(folder.glob(pattern))
    except (ValueError, OSError):
        return []


def load_recipes(paths: Iterable[Path]) -> "Recipes":
    """Reads all files. Raises ConfigError with the problems of all of them, ambiguities included."""
    files: list[RecipeFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files.append(load_recipe(path))
        except ConfigError as exc:
            problems.extend(exc.problems)
    problems.extend(_conflicts(files))
    if problems:
        raise ConfigError(problems)
    return Recipes([file.recipe for file in files])


def _pattern(recipe: Recipe) -> tuple[str, str, str]:
    return recipe.line, recipe.station, recipe.product


def _specificity(recipe: Recipe) -> int:
    return sum(part != ANY for part in _pattern(recipe))


def _overlap(first: Recipe, second: Recipe, parts: int = 3) -> bool:
    pairs = zip(_pattern(first)[:parts], _pattern(second)[:parts], strict=True)
    return all(a == b or ANY in (a, b) for a, b in pairs)


def _conflicts(files: Sequence[RecipeFile]) -> list[Problem]:
    return [problem for a, b in combinations(files, 2) for problem in (*_ambiguity(a, b), *_unlike_sensors(a, b))]


def _ambiguity(first: RecipeFile, second: RecipeFile) -> list[Problem]:
    a, b = first.recipe, second.recipe
    if not _overlap(a, b) or _specificity(a) != _specificity(b):
        return []
    expectation = f"fits some pieces as well as {a.name!r} ({first.path}) does, so that neither wins"
    return [Problem(second.path, "name", repr(b.name), expectation, "name line, station or product in one of them")]


def _unlike_sensors(first: RecipeFile, second: RecipeFile) -> list[Problem]:
    """A stream has one format for all products."""
    if not _overlap(first.recipe, second.recipe, parts=2):
        return []
    known = {sensor.name: sensor for sensor in first.recipe.sensors}
    problems = []
    for sensor in second.recipe.sensors:
        other = known.get(sensor.name)
        forms = [(s.kind, s.sample_rate_hz, s.num_channels, s.bind) for s in (sensor, other or sensor)]
        if forms[0] != forms[1]:
            expectation = f"differs from the sensor of that name in {first.path}: {forms[1]}"
            remedy = "one station's sensor has one kind, rate, channel count and binding; make them equal or rename one"
            problems.append(Problem(second.path, f"sensors.{sensor.name}", str(forms[0]), expectation, remedy))
    return problems


class Recipes:
    """All recipes of a service; implements `streams.join.assembly.RecipeBook`."""

    def __init__(self, recipes: Iterable[Recipe]) -> None:
        self._recipes = tuple(sorted(recipes, key=_specificity, reverse=True))
        # Asked once per record. Bounded: the names come from the wire.
        self.find = lru_cache(4096)(self._find)
        self.assembly = lru_cache(4096)(self._assembly)
        self.sensors = lru_cache(4096)(self._sensors)
        self.cameras = lru_cache(4096)(self._cameras)
        self.traces_open = lru_cache(4096)(self._traces_open)

    def __iter__(self) -> Iterator[Recipe]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)

    def _find(self, line: str, station: str, product: str) -> Recipe | None:
        """The recipe with the most names given among those that fit."""
        place = (line, station, product)
        for recipe in self._recipes:
            if all(part in (ANY, name) for part, name in zip(_pattern(recipe), place, strict=True)):
                return recipe
        return None

    def _assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        recipe = self.find(line, station, product)
        return None if recipe is None else recipe.assembly

    def _sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {sensor.name: sensor for recipe in self._at(line, station) for sensor in recipe.assembly.sensors}

    def _cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset(camera.name for recipe in self._at(line, station) for camera in recipe.cameras)

    def _traces_open(self, line: str, station: str) -> bool:
        recipes = self._at(line, station)
        return any(sensor.bind == "piece" for recipe in recipes for sensor in recipe.sensors) and all(
            not recipe.cameras and recipe.product == ANY for recipe in recipes
        )

    def _at(self, line: str, station: str) -> list[Recipe]:
        return [r for r in self._recipes if r.line in (ANY, line) and r.station in (ANY, station)]
