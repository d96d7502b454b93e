"""Reads a parity set from its zip file: the pieces as observations, and the oracle's predictions for them.

Members are stored, never inflated; sizes that the file cannot hold are refused, and every byte is checked by the CRC of
its member.
"""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from inspector.bundle.load import LoadedBundle
from inspector.dataset.lossless_files import LosslessFileError, read_clip, read_image
from inspector.parity.schema import ABOUT_NAME, PIECES_NAME, About, ParityError, Piece, SignalFile
from streams.decode.limits import Limits
from streams.observation import Clip, Image, InspectionId, Observation, State, from_files

Kind = TypeVar("Kind", About, Piece)

MAX_SET_BYTES = 2 * 2**30
MAX_MEMBERS = 100_000
_MAX_TEXT_BYTES = 64 * 2**20
_REMEDY = "copy the whole bundle again, or export it again"


@dataclass(frozen=True, slots=True)
class ParitySet:
    """Pieces with the oracle's predictions. Recordings stay in the file until they are needed."""

    path: Path
    about: About
    pieces: tuple[Piece, ...]
    limits: Limits

    def observations(self, pieces: Sequence[Piece]) -> list[Observation]:
        """As the line would deliver them. Raises ParityError."""
        with _opened(self.path) as file:
            return [_observation(file, piece, self.limits) for piece in pieces]


def set_of(bundle: LoadedBundle, limits: Limits | None = None) -> ParitySet:
    """Raises ParityError, also where the bundle has no parity set."""
    if bundle.schema.parity_set is None:
        raise ParityError(
            f"bundle {bundle.folder} has no parity set, so torch's decisions are not known; export it again: "
            "inspector export CHECKPOINT --out BUNDLE --parity MANIFEST"
        )
    return read_set(bundle.path(bundle.schema.parity_set), limits)


def read_set(path: Path, limits: Limits | None = None) -> ParitySet:
    """Raises ParityError for damaged or missing files; of recordings only their presence is checked."""
    with _opened(path) as file:
        about = _parsed(path, ABOUT_NAME, About, _member(file, ABOUT_NAME, _MAX_TEXT_BYTES))
        lines = _member(file, PIECES_NAME, _MAX_TEXT_BYTES).splitlines()
        pieces = tuple(_parsed(path, f"{PIECES_NAME}:{n}", Piece, line) for n, line in enumerate(lines, 1))
        there = set(file.namelist())
    missing = sorted({name for piece in pieces for name in piece.files} - there)
    if missing:
        raise ParityError(f"{path}: lacks {len(missing)} recordings that {PIECES_NAME} names ({missing[0]}); {_REMEDY}")
    if not pieces:
        raise ParityError(f"{path}: {PIECES_NAME} holds no piece; {_REMEDY}")
    return ParitySet(path, about, pieces, limits or Limits())


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        num_bytes = path.stat().st_size
        if num_bytes > MAX_SET_BYTES:
            raise ParityError(f"{path}: has {num_bytes} bytes, expected at most {MAX_SET_BYTES}; export fewer pieces")
        with zipfile.ZipFile(path) as file:
            _check_members(path, file.infolist(), num_bytes)
            yield file
    except (zipfile.BadZipFile, EOFError, struct.error, NotImplementedError) as exc:
        raise ParityError(f"{path}: is no whole zip file ({exc}); {_REMEDY}") from exc
    except OSError as exc:
        raise ParityError(f"{path}: cannot be read ({exc.strerror or exc}); {_REMEDY}") from exc


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo], num_bytes: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise ParityError(f"{path}: has {len(members)} members, expected at most {MAX_MEMBERS}; export fewer pieces")
    for member in members:
        stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        if not stored or member.flag_bits & 1:
            raise ParityError(
                f"{path}: member {member.filename!r} is deflated or encrypted, expected stored; {_REMEDY}"
            )
    declared = sum(member.file_size for member in members)
    if declared > num_bytes:
        raise ParityError(f"{path}: members declare {declared} bytes, the file has {num_bytes}; {_REMEDY}")


def _member(file: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    try:
        member = file.getinfo(name)
    except KeyError as exc:
        raise ParityError(f"{file.filename}: has no member {name!r}; {_REMEDY}") from exc
    if member.file_size > max_bytes:
        raise ParityError(f"{file.filename}: {name!r} has {member.file_size} bytes, expected at most {max_bytes}")
    return file.read(member)


def _parsed(path: Path, where: str, kind: type[Kind], text: bytes) -> Kind:
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'line'}: {error['msg']}" for error in exc.errors())
        raise ParityError(f"{path}: {where}: {problems}; export the bundle with this version of inspector") from exc


def _observation(file: zipfile.ZipFile, piece: Piece, limits: Limits) -> Observation:
    images = ((source.camera, _image(file, source.file, limits)) for source in piece.images)
    clips = (_clip(file, source, limits) for source in piece.signals)
    return from_files(InspectionId("parity", "set", piece.piece_id), piece.product, images, clips)


def _image(file: zipfile.ZipFile, name: str, limits: Limits) -> Image:
    data = _member(file, name, limits.max_reference_bytes)
    try:
        return read_image(name, data, limits)
    except LosslessFileError as exc:
        raise ParityError(f"{exc}; {_REMEDY}") from exc


def _clip(file: zipfile.ZipFile, source: SignalFile, limits: Limits) -> Clip:
    data = _member(file, source.file, limits.max_reference_bytes)
    try:
        samples = read_clip(source.file, data, limits)
    except LosslessFileError as exc:
        raise ParityError(f"{exc}; {_REMEDY}") from exc
    return Clip(source.sensor, source.kind, samples, source.sample_rate_hz, State.PRESENT)
