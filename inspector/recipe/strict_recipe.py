"""Makes the recipe of evaluation and parity gate: everything of a bundle is required."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inspector.bundle.schema import Bundle, Modality, SignalInput
from inspector.recipe.recipe import Camera, Recipe, Sensor
from streams.decode.kinds import is_curve


def strict_recipe(schema: Bundle, folder: Path, num_frames: Mapping[str, int] | None = None) -> Recipe:
    """Every modality of the bundle required, all limits the bundle's own, windows as long as its inputs.

    `num_frames` is the number of images of each camera per piece; 1 for cameras that it does not name.
    """
    frames = num_frames or {}
    return Recipe(
        name="evaluation",
        version="1",
        bundle=folder,
        cameras=tuple(
            Camera(name=m.name, num_frames=frames.get(m.name, 1)) for m in schema.modalities if m.kind == "image"
        ),
        sensors=tuple(_sensor(schema, m) for m in schema.modalities if m.kind != "image"),
        backlog="judge",
        evidence="never",
    )


def _sensor(schema: Bundle, modality: Modality) -> Sensor:
    """Cut from a stream where that is possible: a window has one length, and a curve comes with its piece."""
    assert modality.kind != "image"  # noqa: S101
    forms = forms_of(schema, modality.name)
    if not forms:  # No expert uses it, so its format does not matter.
        return Sensor(name=modality.name, kind=modality.kind, sample_rate_hz=1.0, bind="piece")
    form, lengths = forms[0], {form.num_samples for form in forms}
    is_window = len(lengths) == 1 and not is_curve(modality.kind)
    return Sensor(
        name=modality.name,
        kind=modality.kind,
        sample_rate_hz=form.sample_rate_hz,
        num_channels=form.num_channels,
        bind="time" if is_window else "piece",
        end_s=form.num_samples / form.sample_rate_hz if is_window else 0.0,
    )


def forms_of(schema: Bundle, modality: str) -> Sequence[SignalInput]:
    """Inputs of a sensor's experts."""
    experts = [expert for expert in schema.experts if expert.modality == modality]
    return [expert.input for expert in experts if isinstance(expert.input, SignalInput)]
