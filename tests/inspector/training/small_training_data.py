"""Makes recordings of one modality for fits that take a moment: short traces, and small pictures with masks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.bundle.schema import ImageInput, SignalInput
from inspector.training.config import ExpertConfig, ImageExpert, SignalExpert
from inspector.training.experts.fitting import TrainingData

SIDE_PX = 64
TRACE = SignalExpert(name="trace-profile", modality="trace", encoder="trace_profile", scaling="none")
TRACE_FORM = SignalInput(sample_rate_hz=10, num_samples=48, num_channels=1)
PICTURE = ImageExpert(
    name="top-full",
    modality="top",
    scout=False,
    encoder="test_efficientnet",
    freeze=True,
    stages=(0, 1),
    height_px=SIDE_PX,
    width_px=SIDE_PX,
)
PICTURE_FORM = ImageInput(tile_height_px=SIDE_PX, tile_width_px=SIDE_PX, num_channels=1)


def of_traces(traces: NDArray[np.float32], targets: Sequence[float], groups: Sequence[str]) -> TrainingData:
    return _data(TRACE, torch.from_numpy(traces[:, None]), targets, groups)


def of_pictures(
    pictures: NDArray[np.float32],
    targets: Sequence[float],
    masks: Sequence[NDArray[np.bool_] | None],
    config: ImageExpert = PICTURE,
) -> TrainingData:
    names = [str(number) for number in range(len(targets))]
    return _data(config, torch.from_numpy(pictures[:, None]), targets, names, masks)


def _data(
    config: ExpertConfig,
    inputs: torch.Tensor,
    targets: Sequence[float],
    groups: Sequence[str],
    masks: Sequence[NDArray[np.bool_] | None] = (),
) -> TrainingData:
    return TrainingData(
        config=config,
        form=TRACE_FORM if isinstance(config, SignalExpert) else PICTURE_FORM,
        inputs=inputs,
        targets=torch.tensor(targets, dtype=torch.float32)[:, None],
        groups=tuple(groups),
        masks=tuple(masks) or (None,) * len(groups),
        widths=(8, 0),
        weights={},
        seed=0,
    )


def no_progress(done: int, total: int) -> None:
    assert 0 < done <= total
