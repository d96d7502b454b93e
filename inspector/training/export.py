"""Writes trained modules as a bundle: ONNX graphs, bundle.json, model card."""

import hashlib
import logging
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.memory import Memory
from fusion.head import FusionHead
from inspector.bundle.schema import (
    MANIFEST_NAME,
    Bundle,
    Calibration,
    Certificate,
    Expert,
    Head,
    ImageInput,
    Modality,
    Platt,
    Policy,
    SignalInput,
    input_shape,
)
from inspector.training.advice import Advice
from inspector.training.bundle_place import require_place
from inspector.training.config import ExpertConfig
from inspector.training.inputs import Encoder

CARD_NAME = "model_card.md"
MAX_BATCH = 4096
COST_RUNS = 30

_log = logging.getLogger("inspector.training.export")


@dataclass(frozen=True)
class TrainedExpert:
    """A trained encoder with its configuration and input form."""

    config: ExpertConfig
    input: ImageInput | SignalInput
    module: Encoder | Memory

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def modality(self) -> str:
        return self.config.modality

    @property
    def scout(self) -> bool:
        return self.config.scout

    @property
    def num_tokens(self) -> int:
        return self.module.num_tokens


@dataclass(frozen=True)
class TrainedBundle:
    """The content of a bundle, before it is written to files."""

    name: str
    version: str
    classes: tuple[str, ...]
    token_dim: int
    modalities: tuple[Modality, ...]
    experts: tuple[TrainedExpert, ...]
    head: FusionHead
    calibrations: tuple[Calibration, ...]
    policy: Policy
    own_calibrations: Mapping[str, Platt] = field(default_factory=dict)
    """Calibration of each expert's own log-odds, by name; experts without one report raw scores."""
    rough_calibrations: Mapping[str, Platt] = field(default_factory=dict)
    """The same of those without one, as far as there is any evidence; bounds the scores of classes."""
    certificate: Certificate | None = None
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)
    card: str = ""
    warnings: tuple[Advice, ...] = ()
    """Warnings of its training; the card lists them."""


def write_bundle(folder: Path, trained: TrainedBundle) -> Bundle:
    """Writes to a temporary folder first, so that `folder` is complete or absent. Replaces only a bundle."""
    require_place(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    experts = tuple(_write_expert(part, expert, trained) for expert in trained.experts)
    head = _write_head(part, trained)
    (part / CARD_NAME).write_text(trained.card, encoding="utf-8")
    bundle = Bundle(
        name=trained.name,
        version=trained.version,
        classes=trained.classes,
        token_dim=trained.token_dim,
        modalities=trained.modalities,
        experts=experts,
        head=head,
        calibrations=trained.calibrations,
        policy=trained.policy,
        certificate=trained.certificate,
        provenance=trained.provenance,
        files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(part.iterdir())},
    )
    (part / MANIFEST_NAME).write_text(bundle.model_dump_json(indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return bundle


def _write_expert(folder: Path, expert: TrainedExpert, trained: TrainedBundle) -> Expert:
    path = folder / f"{expert.name}.onnx"
    probe = torch.zeros(2, *input_shape(expert.input))
    to_onnx(expert.module, {"input": probe}, ("tokens", "logits", "relevance"), path)
    return Expert(
        name=expert.name,
        modality=expert.modality,
        scout=expert.scout,
        file=path.name,
        input=expert.input,
        num_tokens=expert.num_tokens,
        cost_ms=cost_ms(path, {"input": probe[:1].numpy()}),
        calibration=trained.own_calibrations.get(expert.name),
        rough_calibration=trained.rough_calibrations.get(expert.name),
    )


class FlatHead(nn.Module):
    """The head with the inputs of the bundle's graph in one list: all tokens, all logits, presence."""

    def __init__(self, head: FusionHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        num_experts = (len(inputs) - 1) // 2
        fused = self.head(inputs[:num_experts], inputs[num_experts:-1], inputs[-1])
        return fused.logits, fused.gate


def head_inputs(experts: Sequence[str]) -> tuple[str, ...]:
    """Names of the head graph's inputs, in the order of `FlatHead`."""
    return (*(f"tokens_{name}" for name in experts), *(f"logits_{name}" for name in experts), "present")


def _write_head(folder: Path, trained: TrainedBundle) -> Head:
    path = folder / "head.onnx"
    num_outputs = 1 + len(trained.classes)
    probes = [torch.zeros(2, expert.num_tokens, trained.token_dim) for expert in trained.experts]
    probes += [torch.zeros(2, num_outputs) for _ in trained.experts]
    probes.append(torch.ones(2, len(trained.experts)))
    names = head_inputs([expert.name for expert in trained.experts])
    inputs = dict(zip(names, probes, strict=True))
    to_onnx(FlatHead(trained.head), inputs, ("logits", "gate"), path)
    return Head(file=path.name, cost_ms=cost_ms(path, {name: probe[:1].numpy() for name, probe in inputs.items()}))


def to_onnx(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path) -> None:
    """Exports with a dynamic batch into one file; the probes' batch must be at least 2."""
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    shapes = tuple({0: batch} for _ in inputs)
    varargs = isinstance(module, FlatHead)
    with warnings.catch_warnings():
        # The exporter warns about its own deprecations.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=(shapes,) if varargs else shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _remove_metadata(path)


def _remove_metadata(path: Path) -> None:
    """Removes the exporter's stack traces, which contain paths of the training machine."""
    model = onnx.load(path)
    parts = (*model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input)
    for part in (model, model.graph, *parts, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def cost_ms(path: Path, inputs: Mapping[str, NDArray[np.float32]]) -> float:
    """Median CPU time of one run on one thread of ONNX Runtime; depends little on other load."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(COST_RUNS + 5):
        start = time.thread_time()
        session.run(None, dict(inputs))
        times.append(time.thread_time() - start)
    return round(float(np.median(times[5:])) * 1e3, 4)
