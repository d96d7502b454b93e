"""Tiles of a large picture: joined before they are read, without a matrix as large as the square of its places."""

import pytest
import torch
from torch import nn

from encoders.kernel import NetworkProfile
from encoders.tokens import Level, pool_matrix
from encoders.vision import Weights, stitched
from inspector.bundle.schema import ImageInput

pytestmark = pytest.mark.train


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (12, 12), (29, 17), (6, 40)])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (4, 4), (1, 16)])
def test_pooling_is_torchs_adaptive_mean_to_the_last_bit(size: tuple[int, int], grid: tuple[int, int]) -> None:
    (height, width), (rows, cols) = size, (min(grid[0], size[0]), min(grid[1], size[1]))
    every_place = torch.eye(height * width).reshape(-1, 1, height, width)
    expected = nn.functional.adaptive_avg_pool2d(every_place, (rows, cols)).flatten(1).T
    assert torch.equal(pool_matrix(Level(1, height, width), rows, cols), expected)


def test_the_map_of_a_large_picture_is_pooled_in_a_matrix_of_its_size() -> None:
    pooled = pool_matrix(Level(8, 1000, 800), 4, 4)
    assert pooled.shape == (16, 800_000)
    assert pooled.sum(1).tolist() == pytest.approx([1.0] * 16, rel=1e-3)


def test_tiles_are_joined_row_by_row() -> None:
    tiles = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 2, 2)
    whole = stitched(tiles, 2, 3)
    assert whole.shape == (1, 1, 4, 6)
    assert whole[0, 0, ::2, ::2].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert stitched(tiles, 1, 1) is tiles


def test_a_kernel_machine_reads_all_tiles_of_a_picture_as_one() -> None:
    torch.manual_seed(0)
    form = ImageInput(tile_height_px=32, tile_width_px=32, rows=2, cols=3, num_channels=1)
    profile = NetworkProfile("test_efficientnet", form, Weights(), (0,)).eval()
    tiles = torch.rand(2, 6, 1, 32, 32)
    both = profile(tiles)
    assert both.picture.shape[2:] == (32, 48)
    assert both.vector.shape[0] == 2
    brighter = tiles.clone()
    brighter[1, 5, :, 10:14, 10:14] += 5
    changed = profile(brighter)
    assert torch.equal(changed.vector[0], both.vector[0])
    assert not torch.equal(changed.vector[1], both.vector[1])
