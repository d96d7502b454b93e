"""Makes the recipe that evaluation and the parity gate judge by: all of a bundle demanded. Knows no line."""

from inspector.model import Model
from inspector.recipe.model import Camera, Recipe, Sensor


def demanding_recipe(model: Model) -> Recipe:
    """Every modality of the bundle required, all limits the bundle's own."""
    schema = model.schema
    return Recipe(
        name="evaluation",
        version="1",
        bundle=model.bundle.folder,
        cameras=tuple(Camera(name=m.name) for m in schema.modalities if m.kind == "image"),
        sensors=tuple(
            Sensor(name=m.name, kind=m.kind, sample_rate_hz=1.0, bind="piece")
            for m in schema.modalities
            if m.kind != "image"
        ),
    )
