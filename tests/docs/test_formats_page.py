"""The page File formats lists what the code reads: endings, and raw formats with what becomes of them."""

import re
from pathlib import Path
from typing import get_args

import pytest

from inspector.dataset.files import IMAGE_SUFFIXES
from inspector.dataset.manifest import RawPixels
from inspector.dataset.recordings import SUFFIXES
from protos.inspection.v1.records_pb2 import PixelFormat
from streams.decode.images import FILE_FORMATS
from streams.decode.raw_pixels import RAW

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "formats.md"


def section(title: str) -> str:
    return PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def names(formats: object) -> set[str]:
    assert isinstance(formats, frozenset | dict)
    return {PixelFormat.Name(number).removeprefix("PIXEL_FORMAT_") for number in formats}


def test_the_table_of_image_files_is_what_is_read() -> None:
    table = rows("Images in files, on the line and in `Inspect`")
    assert set().union(*(quoted(row[0]) for row in table)) == set(IMAGE_SUFFIXES)
    assert set().union(*(quoted(row[1]) for row in table)) == names(FILE_FORMATS)


def test_the_table_of_signal_files_is_what_is_read() -> None:
    assert set().union(*(quoted(row[0]) for row in rows("Signals in files"))) == set(SUFFIXES)


def test_the_table_of_raw_formats_is_what_is_decoded() -> None:
    table = rows("Raw pixels on the line")
    assert set().union(*(quoted(row[0]) for row in table)) == names(dict(RAW))


@pytest.mark.parametrize("name", sorted(names(dict(RAW))))
def test_what_a_raw_format_becomes_is_what_the_page_says(name: str) -> None:
    becomes = next(row[2] for row in rows("Raw pixels on the line") if name in quoted(row[0]))
    raw = RAW[PixelFormat.Value(f"PIXEL_FORMAT_{name}")]
    assert becomes.startswith("grey" if raw.channels == 1 else "colour")
    if name != "MONO16":
        assert ("low in 16 bits" in becomes) == (raw.bytes_per_value == 2)


def test_a_manifest_names_the_same_raw_formats() -> None:
    assert set(get_args(RawPixels)) == names(dict(RAW))


def test_every_value_of_the_contract_is_a_file_or_raw() -> None:
    assert set(PixelFormat.values()) == {0} | set(FILE_FORMATS) | set(RAW)
