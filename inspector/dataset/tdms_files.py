"""Decodes a TDMS file of LabVIEW, by npTDMS, which is an extra: pip install '.[tdms]'."""

import difflib
import importlib
import io
from collections.abc import Sequence
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.sample_files import Decoded, SampleFileError

_MAX_CHANNELS = 256
_RATE_TOLERANCE = 1e-6


class _Channel(Protocol):
    """What is used of nptdms.TdmsChannel."""

    name: str
    properties: dict[str, object]

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice) -> NDArray[np.generic]: ...


class _Group(Protocol):
    name: str

    def channels(self) -> list[_Channel]: ...


class _File(Protocol):
    def groups(self) -> list[_Group]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class _Opening(Protocol):
    def open(self, file: io.BytesIO) -> _File: ...


def decode_tdms(data: bytes, columns: Sequence[str] = ()) -> Decoded:
    """float32 as LabVIEW scales them: these channels (`name`, or `group/name`), or all but the time.

    Raises SampleFileError.
    """
    try:
        opening = cast("_Opening", importlib.import_module("nptdms").TdmsFile)
    except ModuleNotFoundError as exc:
        raise SampleFileError("is a TDMS file, which needs npTDMS: in the checkout, pip install '.[tdms]'") from exc
    if not data.startswith(b"TDSm"):
        raise SampleFileError(f"begins with {data[:4]!r}, expected a TDMS file (TDSm); name it after its content")
    try:
        with opening.open(io.BytesIO(data)) as file:
            return _read(_chosen(file, columns), len(data))
    except SampleFileError:
        raise
    except Exception as exc:
        raise SampleFileError(f"cannot be read as TDMS ({type(exc).__name__}: {exc}); write or copy it again") from exc


def _chosen(file: _File, columns: Sequence[str]) -> list[_Channel]:
    groups = [(group, channel) for group in file.groups() for channel in group.channels()]
    by_name = {f"{group.name}/{channel.name}": channel for group, channel in groups}
    for _, channel in groups:
        by_name.setdefault(channel.name, channel)
    for column in columns:
        if column not in by_name:
            near = difflib.get_close_matches(column, by_name, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(by_name) or 'none'}"
            raise SampleFileError(f"has no channel {column!r}; {known}")
    chosen = [by_name[column] for column in columns] or [
        channel for _, channel in groups if channel.name.strip().lower() not in ("time", "zeit", "t")
    ]
    if not 1 <= len(chosen) <= _MAX_CHANNELS:
        raise SampleFileError(f"has {len(chosen)} channels, expected 1 to {_MAX_CHANNELS}; name them in `columns`")
    return chosen


def _read(channels: Sequence[_Channel], num_bytes: int) -> Decoded:
    """The lengths are checked before anything is read: each value takes at least a byte of the file."""
    lengths = {len(channel) for channel in channels}
    if len(lengths) > 1:
        raise SampleFileError(f"has channels of {', '.join(map(str, sorted(lengths)))} samples; name some in `columns`")
    if sum(len(channel) for channel in channels) > num_bytes:
        raise SampleFileError(f"declares more samples than its {num_bytes} bytes can hold; copy it again")
    values = [channel[:] for channel in channels]
    if any(value.dtype.kind not in "iuf" for value in values):
        raise SampleFileError("has channels that are no numbers; name the others in `columns`")
    with np.errstate(over="ignore"):
        samples = np.stack([np.asarray(value, np.float32) for value in values], axis=1)
    rates_hz = {1 / step for channel in channels if isinstance(step := channel.properties.get("wf_increment"), float)
                and step > 0}  # fmt: skip
    if len(rates_hz) > 1:
        raise SampleFileError("has channels of several sample rates; name some in `columns`")
    return Decoded(samples, float(f"{rates_hz.pop():.9g}") if rates_hz else None, _RATE_TOLERANCE)
