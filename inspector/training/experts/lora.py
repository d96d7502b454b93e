"""Fits a backbone from timm by low-rank updates and merges them into it; says which tuning so few recordings allow.

Knows no files. LoRA: Hu et al. (2021), through `peft`. Batch normalisation stands still meanwhile: its running means
are no low-rank update, and could not be told apart from one after merging.
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

RANK = 16
ENOUGH_RECORDINGS = 1000
"""Independent recordings of the training split from which full fine-tuning needs no excuse."""

Tuning = Literal["frozen", "lora", "full"]


class LoraError(ValueError):
    """Layers that take no low-rank update; the message names them, the reason and what helps."""


class Choice(NamedTuple):
    """How a backbone is to be tuned, and what the user should hear about it."""

    tuning: Tuning
    warning: str | None


def tuning_of(config: ImageExpert, num_recordings: int) -> Choice:
    """The configuration's word where it has one; else full fine-tuning from 1,000 independent recordings, LoRA below.

    Networks from scratch have nothing that could be kept: they are always fitted in full.
    """
    if config.encoder in SCRATCH:
        return Choice("full", None)
    configured: Tuning | None = config.tuning or ("frozen" if config.freeze else None)
    few = num_recordings < ENOUGH_RECORDINGS
    if configured is None:
        return Choice("lora", _advice(config, num_recordings, "takes LoRA")) if few else Choice("full", None)
    if configured == "full" and few:
        return Choice("full", _advice(config, num_recordings, "fine-tunes in full all the same, as configured"))
    return Choice(configured, None)


def _advice(config: ImageExpert, num_recordings: int, consequence: str) -> str:
    return (
        f"{config.name}: {num_recordings} independent training recordings are less than {ENOUGH_RECORDINGS}: "
        f"{config.encoder} {consequence}; on so few prefer LoRA or a frozen backbone, and the cascade to a learned "
        "router (`tuning` of the expert and `policy` overrule this)"
    )


def lora_targets(backbone: nn.Module, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the layers that take an update: linear ones and ungrouped 1x1 convolutions.

    With `asked` these layers and no others; raises LoraError for those that an update cannot be merged into.
    """
    layers = dict(backbone.named_modules())
    obstacles = {name: "no such layer" for name in names if name not in layers}
    obstacles |= {name: reason for name, layer in layers.items() if name and (reason := _obstacle(layer))}
    refused = [f"{name} ({obstacles[name]})" for name in names if name in obstacles]
    if refused:
        raise LoraError(f"no low-rank update for {', '.join(refused)}: name linear layers and ungrouped 1x1 ones")
    chosen = tuple(names) or tuple(name for name in layers if name and name not in obstacles)
    if not chosen:
        raise LoraError(
            f"{type(backbone).__name__} has neither linear layers nor ungrouped 1x1 convolutions: fit it whole"
        )
    return chosen


def _obstacle(layer: nn.Module) -> str | None:
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
    """Updates within a backbone, all else of which stands still until `merge`."""

    def __init__(self, owner: VisionEncoder, rank: int = RANK, targets: Sequence[str] = ()) -> None:
        chosen = lora_targets(owner.backbone, targets)
        self._owner = owner
        owner.backbone = freeze_batch_norm_2d(owner.backbone)  # type: ignore[no-untyped-call]
        # Alpha equals the rank: a scale of 1, and the learning rate is the schedule's. One pattern, for `peft` takes
        # a list as endings of names and would reach layers that merely end alike.
        form = LoraConfig(r=rank, lora_alpha=rank, target_modules="|".join(map(re.escape, chosen)))
        self._tuner = LoraModel(owner.backbone, form, "default")

    def merge(self) -> None:
        """Adds the updates to the weights: the graph is the one from before, at no cost."""
        merged: nn.Module = self._tuner.merge_and_unload()
        self._owner.backbone = unfreeze_batch_norm_2d(merged).requires_grad_(True)  # type: ignore[no-untyped-call]


def num_trainable(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@contextmanager
def tuned(module: nn.Module, tuning: Tuning) -> Iterator[None]:
    """Lets a fit within move what the tuning allows; updates are merged on leaving. Raises LoraError.

    For `frozen` and `full` it does nothing: these the fit tells apart by the configuration.
    """
    if tuning != "lora":
        yield
        return
    if not isinstance(module, VisionEncoder):
        raise LoraError(f"{type(module).__name__} has no backbone from timm: fit it whole")
    updates = LowRank(module)
    yield
    updates.merge()
