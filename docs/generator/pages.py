"""Writes the reference: all pages that are generated from the code.

python -m docs.generator.pages FOLDER
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from docs.generator import commands, keys, metrics, roles, wire

FOLDER = "reference"


def pages() -> Iterator[tuple[str, str]]:
    """Path in the documentation and text of every page."""
    for source in (keys, commands, metrics, roles, wire):
        for name, text in source.pages():
            yield f"{FOLDER}/{name}", text


def main(folder: Path) -> None:
    for name, text in pages():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
