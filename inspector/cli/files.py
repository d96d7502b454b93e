"""Turns the operating system's errors about files into a message and exit code 1, for every command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def report_unusable_files() -> Iterator[None]:
    """An error that names no file is a defect: it shows its trace."""
    try:
        yield
    except OSError as exc:
        if not isinstance(exc.filename, str | bytes | os.PathLike):
            raise
        raise click.ClickException(
            f"{os.fsdecode(exc.filename)}: cannot be used ({exc.strerror}); name another file, or check this user's "
            "permissions and the free space"
        ) from exc
