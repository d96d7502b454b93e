"""Opens a bundle in the first form of an order that runs here; on ONNX Runtime after a fault. Judges nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from inspector.bundle.load import LoadedBundle
from inspector.engines.choice import check, one_line
from inspector.engines.engine import DeviceError, EngineError, EngineSettings, fallback_label
from inspector.engines.gpu_api import GpuApi
from inspector.engines.tensorrt_gpu import load_api
from inspector.model import Model, open_model
from inspector.recipe.model import Recipe

log = logging.getLogger("inspector.engines")


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
    refused: list[str] = []
    for wish in wishes:
        try:
            check(bundle, wish, gpu)
            model = open_model(bundle, wish, gpu=gpu)
            fault = admit(model)
        except EngineError as exc:
            fault = one_line(exc)
        else:
            if not fault:
                log.info("Bundle %s: engine %s%s", bundle.schema.name, wish, _because(refused))
                return model
        refused.append(f"{wish}: {fault}")
    text = "\n".join(f"  not {line}" for line in refused)
    raise EngineError(f"bundle {bundle.folder}: no engine of [worker] engines runs it here\n{text}")


def _because(refused: Sequence[str]) -> str:
    if not refused:
        return ", the first of the order"
    return " because it is the first of the order that runs here; " + "; ".join(f"not {line}" for line in refused)


def standing(model: Model, recipes: Sequence[Recipe] = ()) -> Model:
    """The model itself, or what judges in its place since its device failed.

    Raises DeviceError where it has failed, under another recipe, and one of these would rather have the line stop.
    """
    if model.fallen.model is None:
        return model
    if stopping := sorted({recipe.name for recipe in recipes if recipe.engine_fault == "stop"}):
        raise DeviceError(
            f"bundle {model.schema.name}: {model.engine} has failed, and engine_fault is stop in recipe "
            f"{', '.join(stopping)}; see the log for the fault, and restart the service once the device is sound"
        )
    return model.fallen.model


def stand_in(model: Model, recipes: Sequence[Recipe], fault: DeviceError) -> Model:
    """The same bundle as exported, on ONNX Runtime, for all who use the model from now on.

    Raises the fault itself where a recipe would rather have the line stop, EngineError where ONNX Runtime fails too.
    """
    if any(recipe.engine_fault == "stop" for recipe in recipes):
        raise fault
    with model.fallen.lock:
        if model.fallen.model is None:
            log.error(
                "Bundle %s: %s fails, ONNX Runtime judges from now on: %s", model.schema.name, model.engine, fault
            )
            fallen = open_model(model.bundle, EngineSettings("onnx", model.settings.threads))
            model.fallen.model = replace(fallen, engine=fallback_label(fallen.engine, model.engine))
        return model.fallen.model
