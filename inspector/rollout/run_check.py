"""Runs the check of a bundle in a process of its own and waits for its answer. Knows no line-up and no topic."""

import subprocess
import sys
from collections.abc import Callable
from subprocess import PIPE

from pydantic import ValidationError

from inspector.rollout.check_process import CheckRequest, CheckResult

_PROGRAM = """
import os
os.nice(19)
try:
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
except OSError:
    pass
from inspector.rollout.check_process import main
main()
"""
"""At the lowest priority from the first import on, and the first to go where memory runs out: the line stays."""
_LOOK_S = 0.2
_MAX_WORDS = 2000


class RefusedError(Exception):
    """A bundle may not judge here; the message says why."""


class PreparationCancelledError(Exception):
    """The service stops, or the deployment counts no more: nobody waits for an answer."""


StillWanted = Callable[[], bool]
"""Asked again and again whether the answer is still wanted; whoever is asked may use the time."""


def checked(question: CheckRequest, patience: StillWanted) -> CheckResult:
    """Raises RefusedError, also where the process dies of the bundle; GivenUpError."""
    command, folder = [sys.executable, "-X", "utf8", "-P", "-c", _PROGRAM], question.folder
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed words
            command, stdin=PIPE, stdout=PIPE, stderr=PIPE, encoding="utf-8", errors="replace"
        )
    except OSError as exc:
        raise RefusedError(f"no process can be started to check {folder} ({exc}): free memory or processes") from exc
    with process:
        said, errors = _waited(process, question.model_dump_json(), patience)
    try:
        answer = CheckResult.model_validate_json(said.strip().rpartition("\n")[2])
    except ValidationError as exc:
        last = errors.strip().rpartition("\n")[2][:_MAX_WORDS]
        raise RefusedError(
            f"the check of {folder} ended without an answer (exit code {process.returncode}; {last}): the bundle "
            "brings its engine down; choose another engine or compile it anew"
        ) from exc
    if answer.outcome == "refused":
        raise RefusedError(answer.words[:_MAX_WORDS])
    return answer


def _waited(process: "subprocess.Popen[str]", question: str | None, patience: StillWanted) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(question, timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            question = None  # it is on its way
            if not patience():
                process.kill()
                raise PreparationCancelledError from None
