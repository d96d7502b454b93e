"""Builds a small bundle whose scores can be worked out by hand, and pieces for it. Needs onnx, not torch.

Two modalities, `top` (camera) and `mic` (audio). With m the mean of the grey image (0 to 1) or of the samples, the
experts' defect log-odds are: top-thumb (scout) 8m - 4, top-full 16m - 8, mic-ear (scout) 8m - 4. The head adds them
up over the experts that ran; gates are equal shares. A mean below -0.5 makes NaN of an expert's tokens.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

from inspector.bundle.schema import (
    Bundle,
    Calibration,
    ClassScale,
    Expert,
    Head,
    ImageInput,
    Modality,
    Platt,
    Policy,
    SignalInput,
)
from inspector.engines.engine import EngineSettings
from inspector.inference.opening import open_models
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.recipes import Recipes
from streams.observation import Clip, CloseReason, InspectionId, MissingReason, Observation, State, View

IMAGE = ImageInput(tile_height_px=4, tile_width_px=4, num_channels=1, mean=0.0, std=1.0)
SIGNAL = SignalInput(sample_rate_hz=100.0, num_samples=16, num_channels=1)
CLASSES = ("scratch", "rattle")
MODALITIES = (
    Modality(name="top", kind="image", classes=("scratch",)),
    Modality(name="mic", kind="audio", classes=("rattle",)),
)
NOW_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Toy:
    """What differs between the bundles of tests."""

    name: str = "toy"
    policy: Policy = field(default_factory=lambda: Policy(mode="cascade", low=0.2, high=0.8))
    ear_is_scout: bool = True
    signal: SignalInput = SIGNAL
    uncalibrated: frozenset[frozenset[str]] = frozenset()
    """Sets of experts that get no calibration."""
    expert_calibrations: Mapping[str, Platt] = field(default_factory=dict)
    """By name of the expert."""
    rough: Mapping[str, Platt] = field(default_factory=dict)
    """Rough calibrations, by name of the expert."""
    of_classes: Mapping[str, Platt] = field(default_factory=dict)
    """Calibrations of classes, the same for every set of experts."""
    class_scales: Mapping[str, ClassScale] = field(default_factory=dict)
    """Scales of classes, the same for every set of experts."""
    only: str | None = None
    """The one modality of the bundle; None: both."""


def write_toy_bundle(folder: Path, toy: Toy | None = None) -> Path:
    """Writes the bundle and returns its folder."""
    toy = toy or Toy()
    folder.mkdir(parents=True, exist_ok=True)
    both = (
        Expert(name="top-thumb", modality="top", scout=True, file="thumb.onnx", input=IMAGE, num_tokens=1, cost_ms=0.1),
        Expert(name="top-full", modality="top", scout=False, file="full.onnx", input=IMAGE, num_tokens=1, cost_ms=1.0),
        Expert(
            name="mic-ear", modality="mic", scout=toy.ear_is_scout, file="ear.onnx", input=toy.signal,
            num_tokens=1, cost_ms=0.2,
        ),
    )  # fmt: skip
    experts = tuple(expert for expert in both if toy.only in (None, expert.modality))
    image, signal = "float[B,1,1,4,4]", f"float[B,1,{toy.signal.num_samples}]"
    _save(folder / "thumb.onnx", _expert(image, "float[B,4,4]", 8, "{1.0, 1.0, 0.0}"))
    _save(folder / "full.onnx", _expert(image, "float[B,4,4]", 16, "{1.0, 1.0, 0.0}"))
    _save(folder / "ear.onnx", _expert(signal, signal, 8, "{1.0, 0.0, 1.0}"))
    _save(folder / "head.onnx", _head([expert.name for expert in experts]))
    (folder / "model_card.md").write_text("# Toy\n", encoding="utf-8")
    names = [expert.name for expert in experts]
    sets = chain.from_iterable(combinations(sorted(names), size) for size in range(1, len(names) + 1))
    bundle = Bundle(
        name=toy.name,
        version="1",
        classes=CLASSES,
        token_dim=2,
        modalities=tuple(modality for modality in MODALITIES if toy.only in (None, modality.name)),
        experts=tuple(
            part.model_copy(
                update={
                    "calibration": toy.expert_calibrations.get(part.name),
                    "rough_calibration": toy.rough.get(part.name),
                }
            )
            for part in experts
        ),
        head=Head(file="head.onnx", cost_ms=0.1),
        calibrations=tuple(
            Calibration(
                experts=members,
                temperature=1.0,
                bias=0.0,
                pass_below=0.3,
                fail_above=0.7,
                classes=toy.of_classes,
                class_scales=toy.class_scales,
            )
            for members in sets
            if frozenset(members) not in toy.uncalibrated
        ),
        policy=toy.policy,
        files={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name != "bundle.json"
        },
    )
    (folder / "bundle.json").write_text(bundle.model_dump_json(), encoding="utf-8")
    return folder


def edit_manifest(folder: Path, change: Mapping[str, object]) -> None:
    """Overwrites top-level entries of bundle.json."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(change)), encoding="utf-8")


def save_expert(path: Path, gain: float) -> None:
    """A graph in the place of the full expert's, whose gain is 16."""
    _save(path, _expert("float[B,1,1,4,4]", "float[B,4,4]", gain, "{1.0, 1.0, 0.0}"))


def _save(path: Path, text: str) -> None:
    onnx.save(onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 17]>\n' + text), path)


def _expert(shape: str, relevance: str, gain: float, classes: str) -> str:
    axes = "[1, 2], keepdims = 0" if "4,4" in shape else "[1], keepdims = 1"
    return f"""
    expert ({shape} input) => (float[B,1,2] tokens, float[B,3] logits, {relevance} relevance) {{
      magnitude = Abs (input)
      relevance = ReduceMean <axes = {axes}> (magnitude)
      flat = Flatten <axis = 1> (input)
      mean = ReduceMean <axes = [1], keepdims = 1> (flat)
      gain = Constant <value = float {{{float(gain)}}}> ()
      half = Constant <value = float {{0.5}}> ()
      classes = Constant <value = float[1,3] {classes}> ()
      first = Constant <value = int64[1] {{1}}> ()
      scaled = Mul (mean, gain)
      middle = Mul (gain, half)
      logit = Sub (scaled, middle)
      logits = Mul (logit, classes)
      above = Add (mean, half)
      root = Sqrt (above)
      pair = Concat <axis = 1> (root, root)
      tokens = Unsqueeze (pair, first)
    }}"""


def _head(names: list[str]) -> str:
    """Logits and tokens are named a0, a1, ... inside, for ONNX names in text form take no '-'."""
    inputs = ", ".join(f'float[B,1,2] "tokens_{name}"' for name in names)
    inputs += ", " + ", ".join(f'float[B,3] "logits_{name}"' for name in names)
    lines = ["zero = Constant <value = float {0.0}> ()", "first = Constant <value = int64[1] {1}> ()"]
    for index, name in enumerate(names):
        lines += [
            f"from{index} = Constant <value = int64[1] {{{index}}}> ()",
            f"to{index} = Constant <value = int64[1] {{{index + 1}}}> ()",
            f"here{index} = Slice (present, from{index}, to{index}, first)",
            f'said{index} = Mul (here{index}, "logits_{name}")',
            f'mean{index} = ReduceMean <axes = [1], keepdims = 0> ("tokens_{name}")',
            f"one{index} = ReduceMean <axes = [1], keepdims = 1> (mean{index})",
            f"none{index} = Mul (one{index}, zero)",
            f"part{index} = Add (said{index}, none{index})",
        ]
    lines += [
        f"logits = Sum ({', '.join(f'part{index}' for index in range(len(names)))})",
        "count = ReduceSum <keepdims = 1> (present, first)",
        "gate = Div (present, count)",
    ]
    body = "\n".join(lines)
    present, outputs = f"float[B,{len(names)}] present", f"float[B,3] logits, float[B,{len(names)}] gate"
    return f"head ({inputs}, {present}) => ({outputs}) {{\n{body}\n}}"


def toy_recipe(bundle: Path, name: str = "cup", product: str = "*") -> Recipe:
    """A recipe that requires both modalities."""
    sensor = Sensor(name="mic", kind="audio", sample_rate_hz=100.0, start_s=0.0, end_s=0.16)
    return Recipe(
        name=name, version="3", product=product, bundle=bundle, cameras=(Camera(name="top"),), sensors=(sensor,)
    )


def grey(mean: float, shape: tuple[int, int] = (8, 12)) -> NDArray[np.uint8]:
    """A picture of this mean; one value throughout would not be believed, so two of its 4 x 4 places differ by one."""
    value, high, wide = round(mean * 255), shape[0] // 4, shape[1] // 4
    image = np.full(shape, value, np.uint8)
    if value < 255:
        image[:high, :wide] += 1
    if value > 0:
        image[-high:, -wide:] -= 1
    return image


def hum(mean: float, length: int = 16) -> NDArray[np.float32]:
    """Samples (length, 1) of this mean, the first one a trace below: see `grey`."""
    samples = np.full((length, 1), mean, np.float32)
    samples[0] -= 2.0**-16
    return samples


def view(mean: float, state: State = State.PRESENT, num_images: int = 1) -> View:
    if state is State.PRESENT:
        return View("top", (grey(mean),) * num_images, state)
    return View("top", (), state, MissingReason.NOT_RECEIVED, 0.0)


def clip(mean: float, state: State = State.PRESENT) -> Clip:
    if state is State.PRESENT:
        return Clip("mic", "audio", hum(mean), 100.0, state)
    return Clip("mic", "audio", None, 100.0, state, MissingReason.NOT_RECEIVED, 0.0)


def piece(
    top: View | None = None, mic: Clip | None = None, *, piece_id: str = "p1", product: str = "cup",
    closing: CloseReason = CloseReason.COMPLETE, append_ns: int = NOW_NS, is_read_twice: bool = False,
) -> Observation:  # fmt: skip
    """An observation as the join makes it; modalities default to good ones (image 0.25, sound 0)."""
    return Observation(
        inspection=InspectionId("line-1", "station-1", piece_id),
        product=product,
        lot="lot-7",
        closing=closing,
        views={"top": view(0.25) if top is None else top},
        clips={"mic": clip(0.0) if mic is None else mic},
        entry_ns=append_ns - 3,
        capture_ns=append_ns - 2,
        append_ns=append_ns,
        arrival_ns=append_ns + 1,
        is_read_twice=is_read_twice,
    )


def judge_of(
    recipes: Sequence[Recipe],
    engine: EngineSettings | None = None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> RoutedJudge:
    """A judge with the models that these recipes name."""
    book = Recipes(recipes)
    return RoutedJudge(book, open_models(book, [engine or EngineSettings()]), clock_ns=clock_ns)
