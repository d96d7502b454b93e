"""Says of which cameras a picture without compression does not fit into a record."""

from collections.abc import Iterator

from inspector.bundle.schema import Bundle
from inspector.framing.visible import judged_px
from inspector.recipe.recipe import Recipe

_MIB = 2**20


def record_lines(recipe: Recipe, bundle: Bundle, max_record_bytes: int) -> Iterator[str]:
    """One byte a pixel is reckoned: the bundle does not know how a camera packs its pixels."""
    framings = {modality.name: modality.framing for modality in bundle.modalities}
    for camera in recipe.cameras:
        framing = framings.get(camera.name)
        size = (framing.width_px, framing.height_px) if framing else judged_px(bundle, camera.name)
        if size is not None and size[0] * size[1] > max_record_bytes:
            yield (
                f"  camera {camera.name}: raw pixels of {size[0]} x {size[1]} px take "
                f"{size[0] * size[1] / _MIB:.1f} MiB at least, a record {max_record_bytes / _MIB:.1f} MiB at most: "
                "send PNG or JPEG files that fit, raise max_record_bytes, or send references ([references] "
                "allowed_prefixes)"
            )
