"""A manifest on the command line: the file, or the folder that holds it as manifest.jsonl."""

from pathlib import Path

import click

NAME = "manifest.jsonl"


class ManifestPath(click.ParamType[Path]):
    """Where the folder holds none, the error comes from the reader, as for a file that is missing."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(str(value))
        inside = path / NAME
        return inside if inside.is_file() else path


MANIFEST = ManifestPath()
