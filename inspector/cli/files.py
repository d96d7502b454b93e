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
        raise click.ClickException(unusable(exc)) from exc


def unusable(error: OSError) -> str:
    """Which file, why, and what to do; the system's own words where it names no file."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return str(error)
    return (
        f"{os.fsdecode(error.filename)}: cannot be used ({error.strerror}); name another file, or check this user's "
        "permissions and the free space"
    )
