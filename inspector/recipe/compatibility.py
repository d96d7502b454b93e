"""Compares a recipe with the bundle that it names: same modalities, kinds, rates, window lengths."""

from collections.abc import Iterator
from pathlib import Path

from inspector.bundle.load import BundleError, load
from inspector.bundle.schema import Bundle, SignalInput
from inspector.framing.agreement import disagreements
from inspector.recipe.defects import unknown_classes
from inspector.recipe.problems import ConfigError, Problem
from inspector.recipe.recipe import Recipe, Sensor
from inspector.recipe.window import window_samples


def read_bundle(folder: Path) -> Bundle:
    """The bundle's manifest, after all its files are verified. Raises ConfigError."""
    try:
        return load(folder).schema
    except BundleError as exc:
        remedy = "put a whole bundle made by `inspector export` there, or correct `bundle` in the recipe"
        lines = str(exc).splitlines()
        raise ConfigError([Problem(folder, "bundle", "", line, remedy) for line in lines]) from exc


def misfits(recipe: Recipe, bundle: Bundle) -> list[Problem]:
    """Everything in which the two differ."""
    return [
        *_names(recipe, bundle),
        *_kinds(recipe, bundle),
        *_bit_depths(recipe, bundle),
        *_framings(recipe, bundle),
        *_signals(recipe, bundle),
        *unknown_classes(recipe.name, recipe.defects, bundle),
    ]


def _names(recipe: Recipe, bundle: Bundle) -> Iterator[Problem]:
    named, known = set(recipe.kinds), {modality.name for modality in bundle.modalities}
    for name in sorted(named - known):
        expectation = f"no expert of bundle {bundle.name!r} looks at it (it knows {', '.join(sorted(known))})"
        yield _problem(recipe, name, expectation, "remove it from the recipe or train a bundle with it")
    for name in sorted(known - named):
        expectation = f"bundle {bundle.name!r} needs it and the recipe does not name it"
        yield _problem(recipe, name, expectation, "add the camera or sensor to the recipe")


def _kinds(recipe: Recipe, bundle: Bundle) -> Iterator[Problem]:
    for modality in bundle.modalities:
        kind = recipe.kinds.get(modality.name, modality.kind)
        if kind != modality.kind:
            yield _problem(
                recipe, modality.name, f"is {kind} here and {modality.kind} in the bundle", "make them equal"
            )


def _bit_depths(recipe: Recipe, bundle: Bundle) -> Iterator[Problem]:
    """A bundle without one was trained on images at full scale, to which any camera's bit depth scales its images."""
    trained = {modality.name: modality.bit_depth for modality in bundle.modalities}
    for camera in recipe.cameras:
        there = trained.get(camera.name)
        if there not in (None, camera.bit_depth):
            here = "not given" if camera.bit_depth is None else str(camera.bit_depth)
            expectation = f"bit_depth is {here} here and {there} in the bundle"
            yield _problem(recipe, camera.name, expectation, f"set bit_depth = {there}, or train for this camera")


def _framings(recipe: Recipe, bundle: Bundle) -> Iterator[Problem]:
    """Regions, masks, alignments and tiles that the recipe repeats otherwise than the bundle has them."""
    for camera in recipe.cameras:
        for expectation, remedy in disagreements(camera.name, camera, bundle, camera.bit_depth):
            yield _problem(recipe, camera.name, expectation, remedy)


def _signals(recipe: Recipe, bundle: Bundle) -> Iterator[Problem]:
    sensors = {sensor.name: sensor for sensor in recipe.sensors}
    for expert in bundle.experts:
        sensor = sensors.get(expert.modality)
        if sensor is None or not isinstance(expert.input, SignalInput):
            continue
        for what, here, there in _figures(sensor, expert.input):
            if here != there:
                expectation = f"{what} is {here:g} here and {there:g} for expert {expert.name!r}"
                yield _problem(recipe, sensor.name, expectation, "correct the recipe or train for this signal")


def _figures(sensor: Sensor, trained: SignalInput) -> Iterator[tuple[str, float, float]]:
    yield "sample_rate_hz", sensor.sample_rate_hz, trained.sample_rate_hz
    yield "num_channels", sensor.num_channels, trained.num_channels
    if sensor.bind == "time":
        yield "the window's length in samples", window_samples(sensor), trained.num_samples


def _problem(recipe: Recipe, name: str, expectation: str, remedy: str) -> Problem:
    return Problem(Path(f"recipe {recipe.name}"), f"modality {name}", "", expectation, remedy)
