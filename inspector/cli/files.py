"""Turns what the system says about a file of the user's into a message and exit code 1, for every command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def unusable_files_reported() -> Iterator[None]:
    """An error that names no file is a defect and shows itself."""
    try:
        yield
    except OSError as exc:
        if not isinstance(exc.filename, str | bytes | os.PathLike):
            raise
        raise click.ClickException(
            f"{os.fsdecode(exc.filename)}: cannot be used ({exc.strerror}); name another place, or check this user's "
            "rights and the room there"
        ) from exc
