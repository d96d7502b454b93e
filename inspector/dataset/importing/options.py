"""Choices of an import that its source leaves open."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from inspector.dataset.division.shares import Shares
from inspector.dataset.files import IMAGE_SUFFIXES
from inspector.dataset.importing.grouping import EACH_FILE, Grouping
from inspector.dataset.importing.items import DataImportError
from inspector.dataset.manifest import RawPixels
from inspector.dataset.raw_images import RAW_SUFFIXES
from inspector.dataset.recordings import PLAIN, Layout
from inspector.dataset.recordings import SUFFIXES as SIGNAL_SUFFIXES
from streams.join.assembly import BitDepth
from streams.observation import SensorKind


@dataclass(frozen=True)
class ImportOptions:
    """Choices that the source leaves open."""

    out: Path
    """New folder for the manifest."""
    shares: Shares
    camera: str = "camera"
    sensor: str = "sensor"
    kind: SensorKind = "audio"
    rate_hz: float | None = None
    """Of files that do not state it."""
    layout: Layout = PLAIN
    bit_depth: BitDepth | None = None
    pixels: RawPixels | None = None
    """Packing of files without a header, or of mosaics kept as grey images."""
    size_px: tuple[int, int] | None = None
    """Width and height of files without a header."""
    grouping: Grouping = EACH_FILE
    copy: bool = False
    """Whether the recordings are copied into the folder."""
    seed: int = 0


def refuse_unused(options: ImportOptions, suffixes: Collection[str]) -> None:
    """An option that concerns none of the files was meant for others. Raises DataImportError."""
    images, signals = {*IMAGE_SUFFIXES, *RAW_SUFFIXES}, set(SIGNAL_SUFFIXES)
    meant: tuple[tuple[str, bool, set[str]], ...] = (
        ("--columns", bool(options.layout.columns), {".csv", ".tdms"}),
        ("--channels-first", options.layout.channels_first, {".npy"}),
        ("--rate", options.rate_hz is not None, signals),
        ("--bit-depth", options.bit_depth is not None, images),
        ("--pixels", options.pixels is not None, images),
        ("--size", options.size_px is not None, set(RAW_SUFFIXES)),
    )
    for flag, is_given, for_files in meant:
        if is_given and not for_files.intersection(suffixes):
            raise DataImportError(
                f"{flag} is for {', '.join(sorted(for_files))}, and there are only {', '.join(sorted(suffixes))}: "
                "leave it out, or name another source"
            )
