"""Says what judges in the place of a model whose device has failed: the same bundle on ONNX Runtime."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from inspector.engines.engine import DeviceError, EngineSettings, fallback_label
from inspector.inference.model import Model, open_model
from inspector.recipe.recipe import Recipe

log = logging.getLogger("inspector.engines")


def current_model(model: Model, recipes: Sequence[Recipe] = ()) -> Model:
    """The model itself, or what judges in its place since its device failed.

    Raises DeviceError where it has failed, under another recipe, and one of these would rather have the line stop.
    """
    if model.fallback.model is None:
        return model
    if stopping := sorted({recipe.name for recipe in recipes if recipe.engine_fault == "stop"}):
        raise DeviceError(
            f"bundle {model.schema.name}: {model.engine} has failed, and engine_fault is stop in recipe "
            f"{', '.join(stopping)}; see the log for the fault, and restart the service once the device is sound"
        )
    return model.fallback.model


def activate_fallback(model: Model, recipes: Sequence[Recipe], fault: DeviceError) -> Model:
    """The same bundle as exported, on ONNX Runtime, for all who use the model from now on.

    Raises the fault itself where a recipe would rather have the line stop, EngineError where ONNX Runtime fails too.
    """
    if any(recipe.engine_fault == "stop" for recipe in recipes):
        raise fault
    with model.fallback.lock:
        if model.fallback.model is None:
            log.error(
                "Bundle %s: %s fails, ONNX Runtime judges from now on: %s", model.schema.name, model.engine, fault
            )
            fallback = open_model(model.bundle, EngineSettings("onnx", model.settings.threads))
            model.fallback.model = replace(fallback, engine=fallback_label(fallback.engine, model.engine))
        return model.fallback.model
