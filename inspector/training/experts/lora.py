"""Fits a timm backbone by low-rank updates and merges them; chooses the tuning by the number of recordings.

LoRA: Hu et al. (2021), through `peft`. Batch normalisation is frozen meanwhile: changed running means could not be
distinguished from an update after merging.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from peft import LoraConfig, LoraModel
from timm.layers.norm_act import freeze_batch_norm_2d, unfreeze_batch_norm_2d
from torch import nn

from encoders.vision import SCRATCH, VisionEncoder
from inspector.training.config import ImageExpert
from inspector.training.errors import LoraError

RANK = 16
ENOUGH_RECORDINGS = 1000
"""Independent training recordings from which full fine-tuning is recommended."""

Tuning = Literal["frozen", "lora", "full"]


class Choice(NamedTuple):
    """How a backbone is tuned, with a warning for the user."""

    tuning: Tuning
    warning: str | None


def tuning_of(config: ImageExpert, num_recordings: int) -> Choice:
    """The configured tuning, or else full fine-tuning from 1,000 independent recordings and LoRA below.

    Networks from scratch are always fitted in full.
    """
    if config.encoder in SCRATCH:
        return Choice("full", None)
    configured: Tuning | None = config.tuning or ("frozen" if config.freeze else None)
    few = num_recordings < ENOUGH_RECORDINGS
    if configured is None:
        return Choice("lora", _advice(config, num_recordings, "is fitted with LoRA")) if few else Choice("full", None)
    if configured == "full" and few:
        return Choice("full", _advice(config, num_recordings, "is still fine-tuned in full, as configured"))
    return Choice(configured, None)


def _advice(config: ImageExpert, num_recordings: int, consequence: str) -> str:
    return (
        f"{config.name}: {num_recordings} independent training recordings are fewer than {ENOUGH_RECORDINGS}: "
        f"{config.encoder} {consequence}; with so few, prefer LoRA or a frozen backbone, and a cascade to a learned "
        "router (set `tuning` of the expert, and `policy`)"
    )


def lora_targets(backbone: nn.Module, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the layers that get an update: `names`, or all linear layers and ungrouped 1x1 convolutions.

    Raises LoraError for layers that an update cannot be merged into.
    """
    layers = dict(backbone.named_modules())
    reasons = {name: "no such layer" for name in names if name not in layers}
    reasons |= {name: reason for name, layer in layers.items() if name and (reason := _unsupported_reason(layer))}
    refused = [f"{name} ({reasons[name]})" for name in names if name in reasons]
    if refused:
        raise LoraError(f"no low-rank update for {', '.join(refused)}: name linear layers and ungrouped 1x1 ones")
    chosen = tuple(names) or tuple(name for name in layers if name and name not in reasons)
    if not chosen:
        raise LoraError(
            f"{type(backbone).__name__} has neither linear layers nor ungrouped 1x1 convolutions: fit it whole"
        )
    return chosen


def _unsupported_reason(layer: nn.Module) -> str | None:
    match layer:
        case nn.Linear():
            return None
        case nn.Conv2d() if layer.groups > 1:
            return f"a convolution in {layer.groups} groups: the update would mix channels that the groups keep apart"
        case nn.Conv2d() if layer.kernel_size != (1, 1):
            return f"a convolution of {layer.kernel_size[0]}x{layer.kernel_size[1]}"
        case nn.Conv2d():
            return None
    return f"a {type(layer).__name__}"


class LowRank:
    """Low-rank updates of a backbone, which is otherwise frozen until `merge`."""

    def __init__(self, owner: VisionEncoder, rank: int = RANK, targets: Sequence[str] = ()) -> None:
        chosen = lora_targets(owner.backbone, targets)
        self._owner = owner
        owner.backbone = freeze_batch_norm_2d(owner.backbone)  # type: ignore[no-untyped-call]
        # Alpha equals the rank: the updates have a scale of 1. One pattern, since `peft` treats a list as endings of
        # names and would also match other layers with the same ending.
        form = LoraConfig(r=rank, lora_alpha=rank, target_modules="|".join(map(re.escape, chosen)))
        self._tuner = LoraModel(owner.backbone, form, "default")

    def merge(self) -> None:
        """Adds the updates to the weights, so that the graph and its cost stay the same."""
        merged: nn.Module = self._tuner.merge_and_unload()
        self._owner.backbone = unfreeze_batch_norm_2d(merged).requires_grad_(True)  # type: ignore[no-untyped-call]


def num_trainable(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@contextmanager
def tuned(module: nn.Module, tuning: Tuning) -> Iterator[None]:
    """Adds low-rank updates for `lora`, and merges them on exit. Raises LoraError.

    Does nothing for `frozen` and `full`: the fit handles these by the configuration.
    """
    if tuning != "lora":
        yield
        return
    if not isinstance(module, VisionEncoder):
        raise LoraError(f"{type(module).__name__} has no backbone from timm: fit it whole")
    updates = LowRank(module)
    yield
    updates.merge()
