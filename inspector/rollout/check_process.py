"""Lets known pieces through a bundle before it may judge a line: a process of its own, at the lowest priority.

A process and not a thread: a thread that is given little time would hold the interpreter's lock for long while the
judge waits for it, and a runtime that a bad graph brings down would take the line with it. Is asked on its standard
input, by what is in force where it is asked and not by what the files say by now; says on its standard output which
engine may judge, or why none may.
"""

import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.config.tables import WorkerTable
from inspector.dataset.manifest import ManifestError
from inspector.dataset.recordings import RecordingError
from inspector.engines.engine import EngineError
from inspector.engines.variants import compiled_variant
from inspector.inference.model import Model
from inspector.inference.opening import open_best
from inspector.parity.archive import set_of
from inspector.parity.gate import GateSettings, check
from inspector.parity.report import Limit, passed, words
from inspector.parity.schema import ParityError
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.rollout.admission import UNCHECKED
from inspector.rollout.golden_set import golden_findings
from streams.decode.limits import Finding


class GateError(Exception):
    """A form of the bundle that runs here decides otherwise than it should: none of its forms is trusted then."""


REFUSALS = (BundleError, ConfigError, EngineError, Finding, GateError, ManifestError, ParityError, RecordingError)
_MAX_NAMED = 10


class CheckRequest(BaseModel):
    """What the process is asked: whether the bundle in this folder may judge by this recipe, run as the worker does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    recipe: Recipe
    worker: WorkerTable


class CheckResult(BaseModel):
    """What the process says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["passed", "refused"]
    engine: str = ""
    """Engine and precision that may judge."""
    words: str = ""


def main() -> None:
    question = CheckRequest.model_validate_json(sys.stdin.read())
    print(examined(question).model_dump_json(), flush=True)


def examined(question: CheckRequest) -> CheckResult:
    """Whether the bundle may judge on this machine."""
    recipe, worker, said = question.recipe, question.worker, list[str]()
    try:
        bundle = load(question.folder)
        if problems := misfits(recipe, bundle.schema):
            raise ConfigError(problems)
        gate = _Gate(bundle, recipe, worker.max_batch, said)
        model = open_best(bundle, worker.engine_preferences, admit=gate.let_through)
    except REFUSALS as exc:
        return CheckResult(outcome="refused", words=str(exc))
    return CheckResult(outcome="passed", engine=str(model.settings), words="; ".join(said))


class _Gate:
    """Lets through what decides as the oracle, and the golden pieces rightly."""

    def __init__(self, bundle: LoadedBundle, recipe: Recipe, max_batch: int, said: list[str]) -> None:
        self._bundle, self._recipe, self._max_batch, self._said = bundle, recipe, max_batch, said

    def let_through(self, model: Model) -> str:
        """Empty: the model may judge. Raises GateError."""
        if self._bundle.schema.parity_set is None and compiled_variant(model.schema, model.settings) is not None:
            return UNCHECKED
        self._parity(model)
        self._golden(model)
        return ""

    def _parity(self, model: Model) -> None:
        if self._bundle.schema.parity_set is None:
            self._said.append("no parity set in the bundle")
            return
        limit = Limit(self._recipe.parity_max_flips)
        report = check(model, set_of(self._bundle), GateSettings(self._recipe, self._max_batch))
        lines = words(report, limit)
        if not passed(report, limit):
            found = " ".join(line.strip() for line in lines[: 2 + _MAX_NAMED])
            raise GateError(f"{found}: compile the bundle anew, or take the engine out of [worker] engines")
        self._said.append(lines[0])

    def _golden(self, model: Model) -> None:
        if self._recipe.golden is None:
            return
        wrong = list(golden_findings(model, self._recipe, self._recipe.golden, self._max_batch))
        if wrong:
            named = ", ".join(wrong[:_MAX_NAMED])
            raise GateError(f"{len(wrong)} piece(s) of {self._recipe.golden} are decided wrongly: {named}")
        self._said.append("the golden set is decided rightly")


if __name__ == "__main__":
    main()
