"""Writes pieces with the oracle's predictions as a parity set."""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from inspector.bundle.files import replacing, write_manifest
from inspector.bundle.load import LoadedBundle
from inspector.dataset.lossless_files import LosslessFileError, clip_file, image_file
from inspector.dataset.manifest import Label
from inspector.parity.schema import (
    ABOUT_NAME,
    PIECES_NAME,
    SET_NAME,
    About,
    ImageFile,
    ParityError,
    Piece,
    Prediction,
    SignalFile,
)
from streams.decode.limits import Limits
from streams.observation import Clip, Image, Observation


class Judged(NamedTuple):
    """A piece to write, with its label and the oracle's prediction."""

    piece: Observation
    label: Label
    expected: Prediction


def add_set(bundle: LoadedBundle, about: About, pieces: Iterable[Judged]) -> None:
    """Into the bundle's folder, in place of an earlier set; a crash in between leaves a whole bundle without one."""
    _list(bundle, None)
    write_set(bundle.folder / SET_NAME, about, pieces)
    _list(bundle, SET_NAME)


def _list(bundle: LoadedBundle, name: str | None) -> None:
    """Names the set in the bundle's manifest, with its hash, or takes its name out."""
    files = {file: digest for file, digest in bundle.schema.files.items() if file != SET_NAME}
    if name is not None:
        with bundle.path(name).open("rb") as file:
            files[name] = hashlib.file_digest(file, "sha256").hexdigest()
    listed = bundle.schema.model_copy(update={"parity_set": name, "files": dict(sorted(files.items()))})
    write_manifest(bundle.folder, listed)


def write_set(path: Path, about: About, pieces: Iterable[Judged], limits: Limits | None = None) -> None:
    """Written to a temporary file first. Raises ParityError for a recording that could not be read back exactly."""
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as file:
        writer = _Writer(file, limits or Limits())
        try:
            lines = [writer.piece(*judged).model_dump_json(by_alias=True, exclude_defaults=True) for judged in pieces]
        except LosslessFileError as exc:
            raise ParityError(str(exc)) from exc
        noted = about.model_copy(update={"notes": (*about.notes, *writer.notes())})
        writer.put(PIECES_NAME, "".join(f"{line}\n" for line in lines).encode())
        writer.put(ABOUT_NAME, noted.model_dump_json(indent=2).encode() + b"\n")


class _Writer:
    def __init__(self, file: zipfile.ZipFile, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._written: set[str] = set()
        self._inexact: dict[str, set[str]] = {}
        """Names of files that could not be FLAC, by sensor."""

    def put(self, name: str, content: bytes) -> None:
        """Without a time stamp: the same pieces make the same file."""
        if name not in self._written:
            self._file.writestr(zipfile.ZipInfo(name), content)
            self._written.add(name)

    def piece(self, piece: Observation, label: Label, expected: Prediction) -> Piece:
        images = [ImageFile(camera=v.camera, file=self._image(i)) for v in piece.views.values() for i in v.images]
        signals = [self._signal(clip) for clip in piece.clips.values()]
        return Piece(
            piece_id=piece.inspection.piece_id,
            label=label,
            product=piece.product,
            images=tuple(images),
            signals=tuple(signals),
            said=expected,
        )

    def _image(self, image: Image) -> str:
        return self._keep(*image_file(image, self._limits))

    def _signal(self, clip: Clip) -> SignalFile:
        if clip.samples is None:
            raise ParityError(f"sensor {clip.sensor!r} has no samples; leave it out of the piece")
        name = self._keep(*clip_file(clip.samples, clip.sample_rate_hz, self._limits))
        if name.endswith(".npy"):
            self._inexact.setdefault(clip.sensor, set()).add(name)
        return SignalFile(sensor=clip.sensor, kind=clip.kind, sample_rate_hz=clip.sample_rate_hz, file=name)

    def _keep(self, suffix: str, content: bytes) -> str:
        name = f"{hashlib.sha256(content).hexdigest()[:32]}{suffix}"
        self.put(name, content)
        return name

    def notes(self) -> list[str]:
        return [
            f"{len(names)} recordings of {sensor} are .npy: FLAC holds 16-bit integers, and these are other values "
            "(or have a rate or channels that it does not support)."
            for sensor, names in sorted(self._inexact.items())
        ]
