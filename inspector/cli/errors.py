"""Turns errors that a user can fix into a message and exit code 1. Any other error is a defect: it shows its trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from inspector.cli.files import unusable
from inspector.cli.printable import printable_lines
from inspector.dataset.manifest import ManifestError
from inspector.dataset.recordings import RecordingError
from inspector.recipe.problems import ConfigError
from inspector.replay.plan import PlanError
from streams.log import LogError

USER_ERRORS: tuple[type[Exception], ...] = (LogError, ManifestError, PlanError, RecordingError)


@contextmanager
def report_user_errors(*others: type[Exception]) -> Iterator[None]:
    """Use as a decorator or around a block; `others` are errors of this command alone."""
    try:
        yield
    except ConfigError as exc:
        problems = [f"{len(exc.problems)} problem(s)", *map(str, exc.problems)]
        raise click.ClickException(printable_lines("\n".join(problems))) from exc
    except USER_ERRORS + others as exc:
        said = unusable(exc) if isinstance(exc, OSError) else str(exc)
        raise click.ClickException(printable_lines(said)) from exc
