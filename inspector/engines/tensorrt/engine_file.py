"""Turns a compiled file into bytes that are safe for a TensorRT runtime, or refuses it.

Runtimes trust the bytes that they deserialise, so everything is checked before: hash, compiler, header, targets.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.engines.engine import IncompatibleEngineError, WrongDeviceError

RTX_MAGIC = b"vtrt"
_RTX_HEADER = struct.Struct("<4s4xQQ4B")
"""Magic, form of the header, length of the file, version; as engines of 1.6.1 and 1.7.1 begin."""
_KNOWN_FORM = 2
"""Of another form no more is believed than its magic; the hash stands for the rest."""
COMPILE_AGAIN = "compile the bundle again: inspector compile BUNDLE --engine tensorrt"


@dataclass(frozen=True, slots=True)
class EngineFile:
    """A graph as TensorRT compiled it, with the bundle's entry for it."""

    path: Path
    sha256: str
    compiler: str
    """Distribution and version."""
    targets: tuple[str, ...]
    batches: tuple[int, ...]


def check_compiler(compiled_by: str, here: str) -> None:
    """Engines run with the very version that built them."""
    if compiled_by != here:
        raise IncompatibleEngineError(
            f"compiled by {compiled_by}, and here is {here}; install that version or compile again"
        )


def check_target(targets: Sequence[str], capability: str) -> None:
    if capability not in targets:
        raise WrongDeviceError(
            f"compiled for compute capability {', '.join(targets)}, and this GPU has {capability}; "
            f"{COMPILE_AGAIN} --target {capability}"
        )


def read_engine(file: EngineFile) -> bytes:
    """Returns exactly the bytes that it checked. Raises IncompatibleEngineError."""
    try:
        content = file.path.read_bytes()
    except OSError as exc:
        raise IncompatibleEngineError(
            f"{file.path.name}: cannot be read ({exc.strerror}); copy the bundle again"
        ) from exc
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256.lower():
        raise IncompatibleEngineError(
            f"{file.path.name} is altered or truncated: SHA-256 {digest}, expected {file.sha256}; copy the bundle again"
        )
    fault = header_fault(content, file.compiler)
    if fault is not None:
        raise IncompatibleEngineError(f"{file.path.name} {fault}; {COMPILE_AGAIN}")
    return content


def header_fault(content: bytes, compiler: str) -> str | None:
    """The fault in the header of an engine of this compiler; None for a valid one."""
    distribution, _, version = compiler.partition(" ")
    is_rtx = content.startswith(RTX_MAGIC)
    if is_rtx != (distribution == "tensorrt-rtx"):
        return f"is {'an' if is_rtx else 'no'} engine of TensorRT for RTX, and the bundle says {compiler}"
    if not is_rtx:
        return None
    if len(content) < _RTX_HEADER.size:
        return f"has {len(content)} bytes, fewer than its header"
    _, form, size, *numbers = _RTX_HEADER.unpack_from(content)
    built_by = ".".join(map(str, numbers))
    if form != _KNOWN_FORM:
        return None
    if size != len(content):
        return f"has {len(content)} bytes, and its header says {size}"
    if built_by != version:
        return f"was built by version {built_by}, and the bundle says {version}"
    return None
