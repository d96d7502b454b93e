"""Checks a bundle in a separate process and waits for the result. Does not depend on slots or topics."""

import subprocess
import sys
from collections.abc import Callable
from subprocess import PIPE

from pydantic import ValidationError

from inspector.rollout.check_process import CheckRequest, CheckResult

_PROGRAM = """
import gc, os
gc.disable()
os.nice(19)
try:
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
except OSError:
    pass
from inspector.rollout.check_process import main
gc.freeze()
gc.enable()
main()
"""
"""Lowest priority from the first import on, and the first process to be killed when memory runs out. The modules stay:
nothing searches them for garbage (decision 170)."""
_LOOK_S = 0.2
_MAX_CHARS = 2000


class RefusedError(Exception):
    """A bundle may not judge here; the message says why."""


class PreparationCancelledError(Exception):
    """The service stops, or a newer deployment replaces this one."""


StillWanted = Callable[[], bool]
"""Called repeatedly while a check runs: whether its result is still wanted. May do other work."""


def checked(request: CheckRequest, is_wanted: StillWanted) -> CheckResult:
    """Raises RefusedError, also where the bundle crashes the process; PreparationCancelledError."""
    command, folder = [sys.executable, "-X", "utf8", "-P", "-c", _PROGRAM], request.folder
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed arguments
            command, stdin=PIPE, stdout=PIPE, stderr=PIPE, encoding="utf-8", errors="replace"
        )
    except OSError as exc:
        raise RefusedError(f"no process can be started to check {folder} ({exc}): free memory or processes") from exc
    with process:
        output, errors = _wait(process, request.model_dump_json(), is_wanted)
    try:
        result = CheckResult.model_validate_json(output.strip().rpartition("\n")[2])
    except ValidationError as exc:
        last = errors.strip().rpartition("\n")[2][:_MAX_CHARS]
        raise RefusedError(
            f"the check of {folder} ended without a result (exit code {process.returncode}; {last}): the bundle "
            "brings its engine down; choose another engine or compile the bundle again"
        ) from exc
    if result.outcome == "refused":
        raise RefusedError(result.message[:_MAX_CHARS])
    return result


def _wait(process: "subprocess.Popen[str]", request: str | None, is_wanted: StillWanted) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(request, timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            request = None  # it is sent already
            if not is_wanted():
                process.kill()
                raise PreparationCancelledError from None
