"""Judges known pieces with a bundle before it may judge a line: a separate process, at the lowest priority.

A process, because a thread at low priority would hold the interpreter's lock while the judge waits for it, and a graph
that crashes its runtime would stop the line. Reads a request from standard input, with the settings in force in the
worker, which may differ from the files by now; writes to standard output which engine may judge, or why none may.
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
from streams.decode.limits import RecordError


class GateError(Exception):
    """A variant of the bundle that runs here decides wrongly: none of its variants is trusted then."""


REFUSALS = (BundleError, ConfigError, EngineError, RecordError, GateError, ManifestError, ParityError, RecordingError)
_MAX_NAMED = 10


class CheckRequest(BaseModel):
    """The question: may the bundle in this folder judge by this recipe, with the worker's settings?"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    recipe: Recipe
    worker: WorkerTable


class CheckResult(BaseModel):
    """The answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["passed", "refused"]
    engine: str = ""
    """Engine and precision that may judge."""
    message: str = ""


def main() -> None:
    request = CheckRequest.model_validate_json(sys.stdin.read())
    print(check_bundle(request).model_dump_json(), flush=True)


def check_bundle(request: CheckRequest) -> CheckResult:
    """Whether the bundle may judge on this machine."""
    recipe, worker, notes = request.recipe, request.worker, list[str]()
    try:
        bundle = load(request.folder)
        if problems := misfits(recipe, bundle.schema):
            raise ConfigError(problems)
        gate = _Gate(bundle, recipe, worker.max_batch, notes)
        model = open_best(bundle, worker.engine_preferences, admit=gate.admit)
    except REFUSALS as exc:
        return CheckResult(outcome="refused", message=str(exc))
    return CheckResult(outcome="passed", engine=str(model.settings), message="; ".join(notes))


class _Gate:
    """Admits a model that decides as the torch oracle does, and decides the golden pieces rightly."""

    def __init__(self, bundle: LoadedBundle, recipe: Recipe, max_batch: int, notes: list[str]) -> None:
        self._bundle, self._recipe, self._max_batch, self._notes = bundle, recipe, max_batch, notes

    def admit(self, model: Model) -> str:
        """Empty: the model may judge. Raises GateError."""
        if self._bundle.schema.parity_set is None and compiled_variant(model.schema, model.settings) is not None:
            return UNCHECKED
        self._parity(model)
        self._golden(model)
        return ""

    def _parity(self, model: Model) -> None:
        if self._bundle.schema.parity_set is None:
            self._notes.append("no parity set in the bundle")
            return
        limit = Limit(self._recipe.parity_max_flips)
        report = check(model, set_of(self._bundle), GateSettings(self._recipe, self._max_batch))
        lines = words(report, limit)
        if not passed(report, limit):
            differences = " ".join(line.strip() for line in lines[: 2 + _MAX_NAMED])
            raise GateError(f"{differences}: compile the bundle again, or take the engine out of [worker] engines")
        self._notes.append(lines[0])

    def _golden(self, model: Model) -> None:
        if self._recipe.golden is None:
            return
        wrong = list(golden_findings(model, self._recipe, self._recipe.golden, self._max_batch))
        if wrong:
            named = ", ".join(wrong[:_MAX_NAMED])
            raise GateError(f"{len(wrong)} piece(s) of {self._recipe.golden} are decided wrongly: {named}")
        self._notes.append("the golden set is decided rightly")


if __name__ == "__main__":
    main()
