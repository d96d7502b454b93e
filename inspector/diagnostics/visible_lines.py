"""Says for each camera which part of its pictures is judged, and the smallest defect that the bundle sees."""

import math
from collections.abc import Iterator

from inspector.bundle.schema import Bundle
from inspector.framing.visible import LARGE_PX, smallest_defect
from inspector.recipe.recipe import Recipe


def visible_lines(recipe: Recipe, bundle: Bundle) -> Iterator[str]:
    framings = {modality.name: modality.framing for modality in bundle.modalities}
    for camera in recipe.cameras:
        framing, visible = framings.get(camera.name), smallest_defect(bundle, camera.name)
        if framing is not None:
            parts = [
                *(["a region of its pictures is judged"] if framing.region or framing.mask_png else []),
                *([f"aligned within {framing.align.max_shift_px:g} px and {framing.align.max_turn_deg:g} degrees"]
                  if framing.align else []),
            ]  # fmt: skip
            yield f"  camera {camera.name}: {', '.join(parts)}; pictures of {framing.width_px} x {framing.height_px} px"
        if visible is None:
            yield f"  camera {camera.name}: smallest visible defect unknown, as the bundle has no size of its pictures"
            continue
        width, height = visible.picture_px
        yield (
            f"  camera {camera.name}: smallest visible defect about {math.ceil(visible.side_px)} px of the camera's "
            f"picture ({width} x {height} px judged, by {visible.expert}){_warning(camera.name, visible.side_px)}"
        )


def _warning(camera: str, side_px: float) -> str:
    if side_px <= LARGE_PX:
        return ""
    return (
        f": WARNING, smaller defects may be lost; train with [cameras.{camera}.tiles] smallest_defect_px = N, or with "
        "a smaller region"
    )
