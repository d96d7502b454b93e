"""Writes bundles with one large network of random weights, as the product exports networks; for tests alone.

timm starts the last normalisation of a residual block at zero, so that half of the convolutions would hold zeros.
"""

from pathlib import Path

import torch

from encoders.vision import Shape, VisionEncoder, Weights
from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import Calibration, ImageInput, Modality, Policy
from inspector.training.config import ImageExpert
from inspector.training.export import TrainedBundle, TrainedExpert, write_bundle

CLASSES = ("dent",)
TOKEN_DIM = 32
SIDE_PX = 224


def write_large(folder: Path, network: str) -> LoadedBundle:
    """One expert `net`: any network of timm, at 224 x 224 px in colour."""
    torch.manual_seed(0)
    form = ImageInput(tile_height_px=SIDE_PX, tile_width_px=SIDE_PX, num_channels=3)
    module = VisionEncoder(Shape(network), form, Weights(), TOKEN_DIM, len(CLASSES)).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.3, 0.7)
    expert = TrainedExpert(ImageExpert(name="net", modality="camera", scout=True), form, module)
    write_bundle(folder, _draft(network, expert))
    return load(folder)


def _draft(network: str, expert: TrainedExpert) -> TrainedBundle:
    return TrainedBundle(
        name=network,
        version="0",
        classes=CLASSES,
        token_dim=TOKEN_DIM,
        modalities=(Modality(name="camera", kind="image", classes=CLASSES),),
        experts=(expert,),
        head=FusionHead(HeadForm((Member(expert.modality, expert.num_tokens),), TOKEN_DIM, len(CLASSES))),
        calibrations=(Calibration(experts=("net",), temperature=1.0, bias=0.0, pass_below=0.3, fail_above=0.7),),
        policy=Policy(mode="dense"),
        card="# untrained\n",
    )
