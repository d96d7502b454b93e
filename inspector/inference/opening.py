"""Opens a bundle in the first variant of an order of preference that runs here."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from inspector.bundle.load import LoadedBundle, load
from inspector.engines.choice import check, one_line
from inspector.engines.engine import EngineError, EngineSettings, IncompatibleEngineError, NotCompiledError
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.engines.variants import compiled_variant
from inspector.inference.model import Model, open_model
from inspector.plausibility.log import warn_without_limits
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe

log = logging.getLogger("inspector.engines")


class _NotAdmittedError(EngineError):
    """A variant opens but may not judge; the message gives the reason."""


_REFUSALS = (IncompatibleEngineError, _NotAdmittedError)
"""Of a compiled form, not of a machine that cannot run it."""


def admit_all(model: Model) -> str:
    """The reason why a model may not judge; empty where it may."""
    return ""


def open_best(
    bundle: LoadedBundle,
    engine_preferences: Sequence[EngineSettings],
    gpu: Callable[[], GpuApi] = load_api,
    admit: Callable[[Model], str] = admit_all,
) -> Model:
    """Raises EngineError with one line per engine if none runs, BundleError for graphs that contradict the schema."""
    passed_over: list[str] = []
    not_compiled: list[str] = []
    refused: list[str] = []
    for settings in engine_preferences:
        try:
            model = _admitted(bundle, settings, gpu, admit)
        except EngineError as exc:
            passed_over.append(f"{settings}: {one_line(exc)}")
            if isinstance(exc, NotCompiledError):
                not_compiled.append(str(settings))
            if isinstance(exc, _REFUSALS):
                _log_refused(bundle, settings, one_line(exc))
                refused.append(str(settings))
        else:
            unfit = [line for line in passed_over if line.partition(":")[0] not in not_compiled]
            well = "" if unfit else ": all is well"
            log.info("Bundle %s runs on %s%s.%s", bundle.schema.name, settings, well, _because(unfit, not_compiled))
            return replace(model, refused=tuple(refused))
    text = "\n".join(f"  not {line}" for line in passed_over)
    raise EngineError(f"bundle {bundle.folder}: no engine of [worker] engines runs it here\n{text}")


def _admitted(
    bundle: LoadedBundle, settings: EngineSettings, gpu: Callable[[], GpuApi], admit: Callable[[Model], str]
) -> Model:
    check(bundle, settings, gpu)
    model = open_model(bundle, settings, gpu=gpu)
    if fault := admit(model):
        raise _NotAdmittedError(fault)
    return model


def open_again(bundle: LoadedBundle, engine_preferences: Sequence[EngineSettings], chosen: EngineSettings) -> Model:
    """Opens the variant that was admitted here before; only checks those preferred to it. Raises as above."""
    return replace(open_best(bundle, (chosen,)), refused=tuple(_refused_before(bundle, engine_preferences, chosen)))


def _refused_before(
    bundle: LoadedBundle, engine_preferences: Sequence[EngineSettings], chosen: EngineSettings
) -> Iterator[str]:
    """A compiled variant that can run was refused, or it would have been chosen."""
    for settings in takewhile(lambda settings: settings != chosen, engine_preferences):
        if compiled_variant(bundle.schema, settings) is None:
            continue
        try:
            check(bundle, settings)
            fault = "it did not pass when the bundle was checked here"
        except IncompatibleEngineError as exc:
            fault = one_line(exc)
        except EngineError:
            continue
        _log_refused(bundle, settings, fault)
        yield str(settings)


def _log_refused(bundle: LoadedBundle, settings: EngineSettings, fault: str) -> None:
    log.warning("Bundle %s: %s is REFUSED here, and the next of [worker] engines is tried. Compile it again and deploy "
                "that, or take it out of [worker] engines: %s", bundle.schema.name, settings, fault)  # fmt: skip


def _because(unfit: Sequence[str], not_compiled: Sequence[str]) -> str:
    """Why the engines that [worker] engines prefers are not used; empty if there are none."""
    reasons = [f" Not {line}." for line in unfit]
    if not_compiled:
        reasons.append(f" Could be compiled for {', '.join(not_compiled)} (`inspector compile`).")
    return "".join(reasons)


def open_models(
    recipes: Iterable[Recipe],
    engines: Sequence[EngineSettings],
    admission: Callable[[Sequence[Recipe]], Callable[[Model], str]] = lambda recipes: admit_all,
) -> dict[Path, Model]:
    """Opens each bundle that the recipes name once. `admission` makes, of the recipes of a bundle, the check that a
    model must pass. Raises BundleError, EngineError, ConfigError."""
    book = list(recipes)
    bundles = {folder: load(folder) for folder in sorted({recipe.bundle for recipe in book})}
    for bundle in bundles.values():
        warn_without_limits(bundle)
    problems = [problem for recipe in book for problem in misfits(recipe, bundles[recipe.bundle].schema)]
    if problems:
        raise ConfigError(problems)
    judging = {folder: [recipe for recipe in book if recipe.bundle == folder] for folder in bundles}
    return {folder: open_best(bundle, engines, admit=admission(judging[folder])) for folder, bundle in bundles.items()}
