"""Writes a bundle with random weights, for tests of code that loads and runs bundles."""

from pathlib import Path

import torch

from fusion.expert_sets import expert_sets
from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.schema import Bundle, Calibration, ImageInput, Modality, Policy, SignalInput
from inspector.training.config import ExpertConfig, ImageExpert, SignalExpert
from inspector.training.export import TrainedBundle, TrainedExpert, write_bundle
from inspector.training.inputs import build_encoder

CLASSES = ("dent", "rattle")
TOKEN_DIM = 32


def write_untrained(folder: Path, seed: int = 0) -> Bundle:
    return write_bundle(folder, untrained(seed))


def untrained(seed: int = 0) -> TrainedBundle:
    """Camera `camera` (a scout and an expert of 2 x 2 tiles), sensors `microphone` and `vibration` (a scout each)."""
    torch.manual_seed(seed)
    experts = _experts()
    head = FusionHead(HeadForm(tuple(Member(e.modality, e.num_tokens) for e in experts), TOKEN_DIM, len(CLASSES)))
    limits = [
        Calibration(experts=names, temperature=1.0, bias=0.0, pass_below=0.3, fail_above=0.7)
        for names in expert_sets(experts)
    ]
    return TrainedBundle(
        name="untrained",
        version="0",
        classes=CLASSES,
        token_dim=TOKEN_DIM,
        modalities=(
            Modality(name="camera", kind="image", classes=("dent",)),
            Modality(name="microphone", kind="audio", classes=("rattle",)),
            Modality(name="vibration", kind="vibration", classes=("rattle",)),
        ),
        experts=experts,
        head=head,
        calibrations=tuple(limits),
        policy=Policy(mode="cascade", low=0.3, high=0.7),
        provenance={"seed": seed},
        card="# untrained\n\nRandom weights: for tests only.\n",
    )


def _experts() -> tuple[TrainedExpert, ...]:
    thumbnail = ImageInput(tile_height_px=32, tile_width_px=32, num_channels=1)
    tiles = ImageInput(tile_height_px=48, tile_width_px=48, rows=2, cols=2, num_channels=1)
    sound = SignalInput(sample_rate_hz=16000, num_samples=4096, num_channels=1, min_hz=50, max_hz=7200)
    shake = SignalInput(sample_rate_hz=1000, num_samples=512, num_channels=2)
    return (
        _expert(ImageExpert(name="camera-scout", modality="camera", scout=True), thumbnail),
        _expert(ImageExpert(name="camera-full", modality="camera", scout=False), tiles),
        _expert(SignalExpert(name="microphone-scout", modality="microphone", encoder="log_mel"), sound),
        _expert(SignalExpert(name="vibration-scout", modality="vibration", encoder="tcn"), shake),
    )


def _expert(config: ExpertConfig, form: ImageInput | SignalInput) -> TrainedExpert:
    return TrainedExpert(config, form, build_encoder(config, form, (TOKEN_DIM, len(CLASSES)), {}))
