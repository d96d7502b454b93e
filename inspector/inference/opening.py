"""Opens a bundle in the first form of an order that runs here; on ONNX Runtime after a fault. Judges nothing."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from inspector.bundle.load import LoadedBundle, load
from inspector.engines.choice import check, one_line
from inspector.engines.engine import EngineError, EngineSettings, IncompatibleEngineError
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
    """What opens and may not judge; the message says why."""


_REFUSALS = (IncompatibleEngineError, _NotAdmittedError)
"""Of a compiled form, not of a machine that cannot run it."""


def admit_all(model: Model) -> str:
    """Why a model may not judge, where that is known; empty where it may."""
    return ""


def open_best(
    bundle: LoadedBundle,
    wishes: Sequence[EngineSettings],
    gpu: Callable[[], GpuApi] = load_api,
    admit: Callable[[Model], str] = admit_all,
) -> Model:
    """Raises EngineError with one line per wish where none runs, BundleError for graphs that are not what it says."""
    passed_over: list[str] = []
    refused: list[str] = []
    for wish in wishes:
        try:
            model = _admitted(bundle, wish, gpu, admit)
        except EngineError as exc:
            passed_over.append(f"{wish}: {one_line(exc)}")
            if isinstance(exc, _REFUSALS):
                _tell_refused(bundle, wish, one_line(exc))
                refused.append(str(wish))
        else:
            log.info("Bundle %s: engine %s%s", bundle.schema.name, wish, _because(passed_over))
            return replace(model, refused=tuple(refused))
    text = "\n".join(f"  not {line}" for line in passed_over)
    raise EngineError(f"bundle {bundle.folder}: no engine of [worker] engines runs it here\n{text}")


def _admitted(
    bundle: LoadedBundle, wish: EngineSettings, gpu: Callable[[], GpuApi], admit: Callable[[Model], str]
) -> Model:
    check(bundle, wish, gpu)
    model = open_model(bundle, wish, gpu=gpu)
    if fault := admit(model):
        raise _NotAdmittedError(fault)
    return model


def open_again(bundle: LoadedBundle, wishes: Sequence[EngineSettings], chosen: EngineSettings) -> Model:
    """In the form that was let through here before; those before it are looked at and not opened. Raises as above."""
    return replace(open_best(bundle, (chosen,)), refused=tuple(_refused_before(bundle, wishes, chosen)))


def _refused_before(bundle: LoadedBundle, wishes: Sequence[EngineSettings], chosen: EngineSettings) -> Iterator[str]:
    """What was compiled and could run was not let through, or it would have been chosen."""
    for wish in takewhile(lambda wish: wish != chosen, wishes):
        if compiled_variant(bundle.schema, wish) is None:
            continue
        try:
            check(bundle, wish)
            fault = "it did not pass when the bundle was checked here"
        except IncompatibleEngineError as exc:
            fault = one_line(exc)
        except EngineError:
            continue
        _tell_refused(bundle, wish, fault)
        yield str(wish)


def _tell_refused(bundle: LoadedBundle, wish: EngineSettings, fault: str) -> None:
    log.warning("Bundle %s: %s is REFUSED here, and the next of [worker] engines is tried. Compile it again and deploy "
                "that, or take it out of [worker] engines: %s", bundle.schema.name, wish, fault)  # fmt: skip


def _because(refused: Sequence[str]) -> str:
    if not refused:
        return ", the first of the order"
    return " because it is the first of the order that runs here; " + "; ".join(f"not {line}" for line in refused)


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
