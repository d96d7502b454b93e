"""Runs every graph of a model once per batch size, so that the first piece on the line is no slower than the next."""

import numpy as np

from inspector.bundle.schema import input_shape
from inspector.engines.variants import compiled_variant
from inspector.inference.model import Model, head_inputs


def warm_up(model: Model) -> None:
    """On zeros. Raises EngineError."""
    form = compiled_variant(model.schema, model.settings)
    for batch in (1,) if form is None or not form.batches else form.batches:
        for expert in model.schema.experts:
            shape = (batch, *input_shape(expert.input))
            model.experts[expert.name].run({"input": np.zeros(shape, np.float32)})
        fed = {port.name: (batch, *(size or 1 for size in port.shape[1:])) for port in head_inputs(model.schema)}
        present = {"present": np.ones((batch, len(model.schema.experts)), np.float32)}
        model.head.run({name: np.zeros(shape, np.float32) for name, shape in fed.items()} | present)
