"""Checks the files of `--weights` before training: known model, used in this run, matching tensors."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import timm
from safetensors import SafetensorError, safe_open

from encoders.vision import SCRATCH
from inspector.training.advice import Advice
from inspector.training.config import ExpertConfig, ImageExpert, TrainConfigError
from inspector.training.experts.defaults import SMALL_BACKBONE

MAX_LISTED = 3
"""Tensors listed by name in a message."""

Shapes = Mapping[str, tuple[int, ...]]


def weights_advice(weights: Mapping[str, Path], experts: Sequence[ExpertConfig]) -> Iterator[Advice]:
    """Warns about unused tensors in the files.

    `experts` are those of the configuration; if empty, the defaults of cameras apply. Raises TrainConfigError for a
    name that no expert of this run can use, and for a file of another model.
    """
    channels = _channels(experts)
    for name, file in weights.items():
        if name not in channels:
            raise TrainConfigError(f"--weights, network {name}: {_reason(name, sorted(channels), bool(experts))}")
        for num_channels in sorted(channels[name]):
            _refuse_foreign(name, file, num_channels)
        _refuse_infinite(name, file)
        yield from _unused_tensors(name, file)


def file_advice(name: str, file: Path) -> Iterator[Advice]:
    """The same for a network that is known to be used. Raises TrainConfigError."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"did you mean {near[0]}?" if near else "timm.list_models() lists the names"
        raise TrainConfigError(f"--weights, network {name}: timm has no model of this name; {hint}")
    _refuse_foreign(name, file, 3)
    _refuse_infinite(name, file)
    yield from _unused_tensors(name, file)


def unused_advice(weights: Mapping[str, Path], fitted: Collection[ExpertConfig]) -> Iterator[Advice]:
    """Warns about files that no expert used, for example because maps of few values need no pretrained network."""
    used = {expert.encoder for expert in fitted if isinstance(expert, ImageExpert)}
    yield from (unused_file(name) for name in weights if name not in used)


def unused_file(name: str) -> Advice:
    return Advice(
        "weights",
        f"--weights, network {name}: no expert uses it (there is no camera, or its pictures are small maps "
        "of few values): leave it out, or name the network as `encoder` of an expert in the configuration",
    )


def _channels(experts: Sequence[ExpertConfig]) -> dict[str, set[int]]:
    """Usable models, with the numbers of channels of their experts."""
    if not experts:
        return {SMALL_BACKBONE: {3}}
    channels: dict[str, set[int]] = {}
    for expert in experts:
        if isinstance(expert, ImageExpert) and expert.encoder not in (*SCRATCH, "rings"):
            channels.setdefault(expert.encoder, set()).add(expert.num_channels)
    return channels


def _reason(name: str, usable: Sequence[str], configured: bool) -> str:
    users = "the experts of the configuration" if configured else "cameras without a configuration"
    listed = f"usable by {users}: {', '.join(usable) or 'none'}"
    near = difflib.get_close_matches(name, usable, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not timm.is_model(name):
        return f"{name!r} is no timm model; {listed}{hint}"
    remedy = f'give a configuration with an expert of `encoder = "{name}"`'
    return f"no expert of this run uses {name}; {listed}{hint or f'; leave it out, or {remedy}'}"


def _refuse_foreign(name: str, file: Path, num_channels: int) -> None:
    """Raises TrainConfigError unless the file has every tensor of that timm model in its shape."""
    model = timm.create_model(name, features_only=True, pretrained=False, in_chans=num_channels)
    expected, actual = (
        {key: tuple(value.shape) for key, value in model.state_dict().items()},
        _tensor_shapes(name, file),
    )
    missing = [key for key in expected if key not in actual]
    reshaped = [key for key, shape in expected.items() if key in actual and actual[key] != shape]
    if missing or reshaped:
        unused = [key for key in actual if key not in expected]
        details = (_listed("lacks", missing), _listed("has another shape for", reshaped), _listed("also has", unused))
        raise TrainConfigError(
            f"--weights, network {name}: {file} is not the file of {name} with {num_channels} input channels: it "
            f"{'; '.join(filter(None, details))}. Give the safetensors file of that timm model; files of timm have "
            "three channels (num_channels = 3)"
        )


def _refuse_infinite(name: str, file: Path) -> None:
    """Raises TrainConfigError for NaN or infinity, which would make training useless."""
    with safe_open(file, framework="pt") as tensors:
        broken = [key for key in tensors.keys() if not tensors.get_tensor(key).isfinite().all()]  # noqa: SIM118
    if broken:
        raise TrainConfigError(
            f"--weights, network {name}: {file} {_listed('has NaN or infinity in', broken)}: the file is damaged, or "
            "its training failed; give another file"
        )


def _unused_tensors(name: str, file: Path) -> Iterator[Advice]:
    """Warns about tensors that even the whole model, with its classifier, does not have."""
    known = timm.create_model(name, pretrained=False).state_dict().keys()
    unused = [key for key in _tensor_shapes(name, file) if key not in known]
    if unused:
        yield Advice("weights", f"{file} {_listed('has', unused)} that {name} does not have: they are ignored")


def _listed(verb: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > MAX_LISTED else ""
    return f"{verb} {len(names)} tensors ({', '.join(names[:MAX_LISTED])}{more})"


def _tensor_shapes(name: str, file: Path) -> Shapes:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        raise TrainConfigError(
            f"--weights, network {name}: {file} is no safetensors file ({exc}); convert it, or give another file"
        ) from exc
