"""Builds a bundle for two cameras, a microphone, an accelerometer and a process trace, and the recipe of its line.

The experts are those of `tests.bundles`: with m the mean of an expert's input, its log-odds are 8m - 4 (16m - 8
for `top-full`). The microphone is scaled to (x - 0.1) / 0.5, so that zeros differ from a filled gap.
"""

import hashlib
import tomllib
from itertools import chain, combinations
from pathlib import Path

from inspector.bundle.schema import Bundle, Calibration, Expert, Head, ImageInput, Modality, Policy, SignalInput
from inspector.recipe.recipe import Recipe
from tests.bundles import CLASSES, IMAGE, _expert, _head, _save

MIC = SignalInput(sample_rate_hz=1000.0, num_samples=180, num_channels=1, scaling="standard", mean=(0.1,), std=(0.5,))
ACC = SignalInput(sample_rate_hz=800.0, num_samples=80, num_channels=2)
OIL = SignalInput(sample_rate_hz=10.0, num_samples=24, num_channels=1)
RECIPE = """
name = "wide"
version = "1"
product = "cup"
bundle = {bundle}
backlog = "judge"
stale_after_s = 3600
evidence = "never"
[[cameras]]
name = "top"
num_frames = 2
[[cameras]]
name = "side"
required = false
bit_depth = 12
[[sensors]]
name = "mic"
kind = "audio"
sample_rate_hz = 1000
start_s = -0.02
end_s = 0.16
min_coverage = 0.6
[[sensors]]
name = "acc"
kind = "vibration"
sample_rate_hz = 800
num_channels = 2
end_s = 0.1
anchor = "top"
min_coverage = 0.9
required = false
[[sensors]]
name = "oil"
kind = "trace"
sample_rate_hz = 10
bind = "piece"
"""


def recipe_of(bundle: Path) -> Recipe:
    return Recipe.model_validate(tomllib.loads(RECIPE.format(bundle=f'"{bundle}"')))


def write_wide_bundle(folder: Path) -> Path:
    """Writes the bundle, calibrated for every set of experts, and returns its folder."""
    folder.mkdir(parents=True)
    forms: dict[str, tuple[str, bool, ImageInput | SignalInput]] = {
        "top-thumb": ("top", True, IMAGE),
        "top-full": ("top", False, IMAGE),
        "side-eye": ("side", True, IMAGE),
        "mic-ear": ("mic", True, MIC),
        "acc-ear": ("acc", False, ACC),
        "oil-ear": ("oil", False, OIL),
    }
    experts = tuple(
        Expert(name=name, modality=modality, scout=scout, file=f"{name}.onnx", input=form, num_tokens=1, cost_ms=0.2)
        for name, (modality, scout, form) in forms.items()
    )
    for expert in experts:
        gain = 16 if expert.name == "top-full" else 8
        if isinstance(expert.input, SignalInput):
            shape = f"float[B,{expert.input.num_channels},{expert.input.num_samples}]"
            graph = _expert(shape, f"float[B,1,{expert.input.num_samples}]", gain, "{1.0, 0.0, 1.0}")
        else:
            graph = _expert("float[B,1,1,4,4]", "float[B,4,4]", gain, "{1.0, 1.0, 0.0}")
        _save(folder / expert.file, graph)
    _save(folder / "head.onnx", _head([*forms]))
    (folder / "model_card.md").write_text("# Wide\n", encoding="utf-8")
    sets = chain.from_iterable(combinations(sorted(forms), size) for size in range(1, len(forms) + 1))
    kinds = recipe_of(folder).kinds
    bundle = Bundle(
        name="wide",
        version="1",
        classes=CLASSES,
        token_dim=2,
        modalities=tuple(Modality(name=name, kind=kind) for name, kind in kinds.items()),
        experts=experts,
        head=Head(file="head.onnx", cost_ms=0.1),
        calibrations=tuple(
            Calibration(experts=members, temperature=1.5, bias=0.1 * len(members), pass_below=0.3, fail_above=0.7)
            for members in sets
        ),
        policy=Policy(mode="cascade", low=0.05, high=0.95),
        files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()},
    )
    (folder / "bundle.json").write_text(bundle.model_dump_json(), encoding="utf-8")
    return folder
