"""Compares what a recipe says of a camera's framing with the bundle's. What a recipe leaves out is the bundle's."""

from collections.abc import Iterator

import numpy as np

from inspector.bundle.framing import Alignment, Framing
from inspector.bundle.schema import Bundle
from inspector.framing.outline import region_mask
from inspector.framing.png import grey_picture
from inspector.framing.resolve import FramingError, resolved
from inspector.framing.tables import CameraFraming, TilesTable
from inspector.framing.visible import smallest_defect
from streams.join.assembly import BitDepth

_REMEDY = "train with the same keys in [cameras.{camera}] of the training configuration, or remove them from the recipe"


def disagreements(
    camera: str, table: CameraFraming, bundle: Bundle, bit_depth: BitDepth | None
) -> Iterator[tuple[str, str]]:
    """Sentences with what differs, and the remedy for each."""
    trained = next((m.framing for m in bundle.modalities if m.name == camera), None)
    remedy = _REMEDY.format(camera=camera)
    if table.is_framed and trained is None:
        yield f"{_keys(table)} given here, and bundle {bundle.name!r} was trained on whole pictures", remedy
    elif table.is_framed and trained is not None:
        try:
            here = resolved(table, (trained.width_px, trained.height_px), bit_depth)
        except FramingError as exc:
            text, _, cure = str(exc).rpartition("; ")
            yield (text, cure) if text else (str(exc), "correct the file")
            return
        if here is not None:
            for difference in _differences(table, here, trained):
                yield f"{difference} bundle {bundle.name!r}, whose limits hold for its own", remedy
    if table.tiles is not None:
        yield from _tiles(camera, table.tiles, bundle)


def _keys(table: CameraFraming) -> str:
    given = [name for name in ("region", "mask", "align") if getattr(table, name)]
    return f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'}"


def _differences(table: CameraFraming, here: Framing, trained: Framing) -> Iterator[str]:
    if (table.region or table.mask is not None) and not _same_region(here, trained):
        yield f"{'mask' if table.mask else 'region'} marks other pixels than that of"
    if here.align is not None:
        if trained.align is None:
            yield "align is given here and not in"
        elif not _same_alignment(here.align, trained.align):
            yield "align has another reference or other limits than that of"


def _same_region(here: Framing, trained: Framing) -> bool:
    one, other = region_mask(here), region_mask(trained)
    return one is not None and other is not None and np.array_equal(one, other)


def _same_alignment(here: Alignment, trained: Alignment) -> bool:
    drop = {"reference_png"}
    if here.model_dump(exclude=drop) != trained.model_dump(exclude=drop):
        return False
    return np.array_equal(grey_picture(here.reference_png), grey_picture(trained.reference_png))


def _tiles(camera: str, tiles: TilesTable, bundle: Bundle) -> Iterator[tuple[str, str]]:
    inputs = [expert.input for expert in bundle.experts if expert.modality == camera]
    grids = [(form.rows, form.cols) for form in inputs if form.type == "image"]
    if tiles.rows is not None and (tiles.rows, tiles.cols) not in grids:
        seen = " and ".join(f"{rows} x {cols}" for rows, cols in dict.fromkeys(grids))
        yield f"tiles are {tiles.rows} x {tiles.cols} here and {seen} in the bundle", _REMEDY.format(camera=camera)
    visible = smallest_defect(bundle, camera)
    if tiles.smallest_defect_px is not None and visible is not None and visible.side_px > tiles.smallest_defect_px:
        yield (
            f"a defect of {tiles.smallest_defect_px:g} px is to be seen, and the smallest that the bundle sees has "
            f"about {visible.side_px:.0f} px",
            _REMEDY.format(camera=camera),
        )
