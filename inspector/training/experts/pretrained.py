"""Checks the files of `--weights` before anything is fitted: known models, used by this run, with their own tensors."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import timm
from safetensors import SafetensorError, safe_open

from encoders.vision import SCRATCH
from inspector.training.advice import Advice
from inspector.training.config import ExpertConfig, ImageExpert, TrainConfigError
from inspector.training.experts.defaults import SMALL_BACKBONE

SHOWN = 3
"""Tensors listed by name."""

Shapes = Mapping[str, tuple[int, ...]]


def weights_advice(weights: Mapping[str, Path], experts: Sequence[ExpertConfig]) -> Iterator[Advice]:
    """Names tensors of the files that no model uses.

    `experts` are those of the configuration; without any, the cameras' defaults compete. Raises TrainConfigError for a
    name that no expert of this run can use, and for a file that is not that model's.
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
    """The same for a network that certainly runs. Raises TrainConfigError."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise TrainConfigError(f"--weights, network {name}: is not the name of a model of timm{hint}")
    _refuse_foreign(name, file, 3)
    _refuse_infinite(name, file)
    yield from _unused_tensors(name, file)


def unused_advice(weights: Mapping[str, Path], fitted: Collection[ExpertConfig]) -> Iterator[Advice]:
    """Names files that no expert started from: maps of few values, for one, need no pretrained network."""
    used = {expert.encoder for expert in fitted if isinstance(expert, ImageExpert)}
    yield from (unused_file(name) for name in weights if name not in used)


def unused_file(name: str) -> Advice:
    return Advice(
        "weights",
        f"--weights, network {name}: nothing was started from it (there is no camera, or its pictures are small maps "
        "of few values): leave it out, or name the network as `encoder` of an expert in the configuration",
    )


def _channels(experts: Sequence[ExpertConfig]) -> dict[str, set[int]]:
    """Models that experts can start from, with the channels that these take."""
    if not experts:
        return {SMALL_BACKBONE: {3}}
    channels: dict[str, set[int]] = {}
    for expert in experts:
        if isinstance(expert, ImageExpert) and expert.encoder not in (*SCRATCH, "rings"):
            channels.setdefault(expert.encoder, set()).add(expert.num_channels)
    return channels


def _reason(name: str, usable: Sequence[str], configured: bool) -> str:
    who = "the experts of the configuration" if configured else "cameras without a configuration"
    listed = f"usable by {who}: {', '.join(usable) or 'none'}"
    near = difflib.get_close_matches(name, usable, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not timm.is_model(name):
        return f"{name!r} is no model of timm; {listed}{hint}"
    way = f'give a configuration with an expert of `encoder = "{name}"`'
    return f"no expert of this run uses {name}; {listed}{hint or f'; leave it out, or {way}'}"


def _refuse_foreign(name: str, file: Path, num_channels: int) -> None:
    """Raises TrainConfigError unless the file has every tensor of that timm model in its shape."""
    model = timm.create_model(name, features_only=True, pretrained=False, in_chans=num_channels)
    expected, given = {key: tuple(value.shape) for key, value in model.state_dict().items()}, _given(name, file)
    missing = [own for own in expected if own not in given]
    unlike = [own for own, shape in expected.items() if own in given and given[own] != shape]
    if missing or unlike:
        unused = [own for own in given if own not in expected]
        details = (_listed("lacks", missing), _listed("has in another shape", unlike), _listed("has beside", unused))
        raise TrainConfigError(
            f"--weights, network {name}: {file} is not the file of {name} with {num_channels} input channels: it "
            f"{'; '.join(filter(None, details))}. Give the safetensors file of that timm model; those of timm take "
            "three channels (num_channels = 3)"
        )


def _refuse_infinite(name: str, file: Path) -> None:
    """One value that is no number makes all that is learned from it worthless. Raises TrainConfigError."""
    with safe_open(file, framework="pt") as tensors:
        broken = [key for key in tensors.keys() if not tensors.get_tensor(key).isfinite().all()]  # noqa: SIM118
    if broken:
        raise TrainConfigError(
            f"--weights, network {name}: {file} {_listed('has NaN or infinity in', broken)}: the file is damaged, or "
            "its training failed; give another"
        )


def _unused_tensors(name: str, file: Path) -> Iterator[Advice]:
    """Those that the whole model, with its classifier, does not have either."""
    known = timm.create_model(name, pretrained=False).state_dict().keys()
    unused = [key for key in _given(name, file) if key not in known]
    if unused:
        yield Advice("weights", f"{file} {_listed('has', unused)} that {name} does not have: nothing reads them")


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{what} {len(names)} tensors ({', '.join(names[:SHOWN])}{more})"


def _given(name: str, file: Path) -> Shapes:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        raise TrainConfigError(
            f"--weights, network {name}: {file} is no safetensors file ({exc}); convert it, or give another"
        ) from exc
