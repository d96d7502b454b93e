"""Files with their labels, as importers hand them on; and errors of importers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.files import IMAGE_SUFFIXES
from inspector.dataset.manifest import Label
from inspector.dataset.raw_images import RAW_SUFFIXES
from inspector.dataset.recordings import SUFFIXES as SIGNAL_SUFFIXES

Mask = NDArray[np.uint8]
"""(H, W); 255 where the defect is."""
MAX_FILES = 1_000_000
_IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX"}


class DataImportError(ValueError):
    """A source that cannot be imported; the message names it and the fix."""


@dataclass(frozen=True)
class Item:
    """One recording. Items with one piece id become one piece."""

    path: Path
    label: Label
    defects: tuple[str, ...] = ()
    piece_id: str | None = None
    """None: made of the path."""
    source: str | None = None
    """Name of its camera or sensor; None: as the options say."""
    groups: Mapping[str, str] = field(default_factory=dict)
    mask: Mask | Path | None = None
    product: str = ""
    defect_probability: float | None = None
    """Of a piece whose label is not certain."""
    origin: str = ""
    """Where the source names the file, such as `labels.csv:17`; empty where it is named by nothing but its place."""


def is_text(name: str) -> bool:
    """Whether the system's bytes of a name are text; Python replaces others by surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_image(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGE_SUFFIXES, *RAW_SUFFIXES)


def is_signal(path: Path) -> bool:
    return path.suffix.lower() in SIGNAL_SUFFIXES


def files_below(folder: Path) -> Iterator[Path]:
    """All files in order of their names, without those that systems hide. Raises DataImportError."""
    if not folder.is_dir():
        raise DataImportError(f"{folder}: is no folder; name one that exists")
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        if number >= MAX_FILES:
            raise DataImportError(f"{folder}: holds more than {MAX_FILES} files; import a part of it")
        if not is_text(str(path)):
            raise DataImportError(
                f"{str(path)!a}: its name is no UTF-8, as names from archives of other systems may be; rename it, "
                "or unpack the archive with its own encoding"
            )
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part in _IGNORED for part in parts):
            yield path


def recordings_below(folder: Path) -> list[Path]:
    """Images and signals. Raises DataImportError where there are none."""
    files = list(files_below(folder))
    recordings = [path for path in files if is_image(path) or is_signal(path)]
    if not recordings:
        others = ", ".join(sorted({path.suffix or path.name for path in files})[:10]) or "nothing"
        raise DataImportError(
            f"{folder}: holds no file that is read ({others}); expected "
            f"{', '.join((*IMAGE_SUFFIXES, *SIGNAL_SUFFIXES))}"
        )
    return recordings


def images_below(folder: Path) -> list[Path]:
    """Raises DataImportError where there are none."""
    images = [path for path in recordings_below(folder) if is_image(path)]
    if not images:
        raise DataImportError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)}); name the folder of the images")
    return images
