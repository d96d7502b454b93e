"""Gives experts the tiles that a camera's table asks for, and says what is too small to be seen without."""

import logging
from collections.abc import Sequence

from encoders.front_end import Image
from encoders.vision import SCRATCH
from inspector.framing.tables import TilesTable
from inspector.framing.visible import LARGE_PX, Tiling, TilingError, tiling, visible_px
from inspector.training.config import ExpertConfig, ImageExpert, TrainConfigError

_SIZES = {"height_px", "width_px", "rows", "cols"}
MANY_PX = 2**20
"""Pixels of all tiles above which the networks from scratch are narrow: wide ones take minutes for a picture."""

_log = logging.getLogger("inspector.training")


def with_tiles(
    experts: Sequence[ExpertConfig], camera: str, size_px: tuple[int, int], table: TilesTable | None
) -> list[ExpertConfig]:
    """Candidates with one tiled expert in place of those on whole pictures; scouts stay. Raises TrainConfigError."""
    pictures = [expert for expert in experts if isinstance(expert, ImageExpert) and not expert.scout]
    if table is None or not pictures:
        return list(experts)
    tiles = _tiling(camera, size_px, table)
    kept: list[ExpertConfig] = [expert for expert in experts if expert not in pictures]
    best = pictures[-1]
    encoder = "micro" if best.encoder in SCRATCH and _num_px(tiles) > MANY_PX else best.encoder
    return [*kept, _tiled(best, tiles).model_copy(update={"name": f"{camera}-tiles", "encoder": encoder})]


def configured_with_tiles(
    expert: ExpertConfig, size_px: tuple[int, int] | None, table: TilesTable | None
) -> ExpertConfig:
    """A configured expert without a size takes its camera's tiles, unless it is a scout. Raises TrainConfigError."""
    if table is None or size_px is None or not isinstance(expert, ImageExpert):
        return expert
    if expert.scout or expert.model_fields_set & _SIZES:
        return expert
    return _tiled(expert, _tiling(expert.modality, size_px, table))


def suggest_tiles(experts: Sequence[ExpertConfig], camera: str, size_px: tuple[int, int]) -> None:
    """Logs the smallest visible defect of a camera where it is large, and what to write for a smaller one."""
    seen = [(expert.cols * expert.width_px, expert.rows * expert.height_px) for expert in _of(experts)]
    if not seen:
        return
    side_px = min(visible_px(size_px, network) for network in seen)
    if side_px > LARGE_PX:
        width, height = size_px
        _log.warning(
            "camera %s: pictures of %d x %d px are shrunk, so the smallest visible defect has about %.0f px: for "
            "smaller ones, write a table [cameras.%s.tiles] with smallest_defect_px = %d into the training "
            "configuration, or draw a smaller region",
            camera, width, height, side_px, camera, max(3, round(side_px / 4)),
        )  # fmt: skip


def picture_px(pictures: Sequence[Image]) -> tuple[int, int]:
    """Width and height of the largest."""
    heights, widths = zip(*(picture.shape[:2] for picture in pictures), strict=True)
    return max(widths), max(heights)


def _of(experts: Sequence[ExpertConfig]) -> list[ImageExpert]:
    return [expert for expert in experts if isinstance(expert, ImageExpert)]


def _tiling(camera: str, size_px: tuple[int, int], table: TilesTable) -> Tiling:
    try:
        return tiling(size_px, table)
    except TilingError as exc:
        raise TrainConfigError(f"[cameras.{camera}.tiles]: {exc}") from exc


def _tiled(expert: ImageExpert, tiles: Tiling) -> ImageExpert:
    return expert.model_copy(update=tiles._asdict())


def _num_px(tiles: Tiling) -> int:
    return tiles.rows * tiles.cols * tiles.height_px * tiles.width_px
