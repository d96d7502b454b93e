"""Runs the check of a bundle in a process of its own and waits for its answer. Knows no line-up and no topic."""

import subprocess
import sys
from pathlib import Path
from threading import Event

from pydantic import ValidationError

from inspector.deploy.check import Answer

_PROGRAM = "import os; os.nice(19); from inspector.deploy.check import main; main()"
"""At the lowest priority from the first import on."""
_LOOK_S = 0.2
_MAX_WORDS = 2000


class RefusedError(Exception):
    """A bundle may not judge here; the message says why."""


class StoppedError(Exception):
    """The service stops: nobody waits for an answer any more."""


def checked(config: Path, recipe: str, folder: Path, stop: Event) -> Answer:
    """Raises RefusedError, also where the process dies of the bundle; StoppedError."""
    command = [sys.executable, "-c", _PROGRAM, str(config), recipe, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - fixed words
        said, errors = _waited(process, stop)
    try:
        answer = Answer.model_validate_json(said.strip().rpartition("\n")[2])
    except ValidationError as exc:
        last = errors.strip().rpartition("\n")[2][:_MAX_WORDS]
        raise RefusedError(
            f"the check of {folder} ended without an answer (exit code {process.returncode}; {last}): the bundle "
            "brings its engine down; choose another engine or compile it anew"
        ) from exc
    if answer.outcome == "refused":
        raise RefusedError(answer.words[:_MAX_WORDS])
    return answer


def _waited(process: "subprocess.Popen[str]", stop: Event) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            if stop.is_set():
                process.kill()
                raise StoppedError from None
