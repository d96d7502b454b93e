"""Remembers in a bundle's folder which engine passed the check of a deployment, by machine. Opens nothing."""

import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Sequence

from inspector.bundle.files import cache_folder
from inspector.bundle.load import LoadedBundle
from inspector.config.tables import WorkerTable
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.recipe.recipe import Recipe
from inspector.rollout.admission import machine, remember, way_of
from inspector.rollout.golden_digest import GoldenDigestError, files_digest, manifest_digest

log = logging.getLogger("inspector.deploy")


class ApprovalCache:
    """The approval of one bundle for one recipe on this machine. Another driver, runtime, recipe, golden set, order of
    engines or way to run them needs another approval."""

    def __init__(
        self, bundle: LoadedBundle, recipe: Recipe, worker: WorkerTable, gpu: Callable[[], GpuApi] = load_api
    ) -> None:
        self._engines, self._recipe, self._folder = worker.engine_preferences, recipe, bundle.folder
        parts = [bundle.digest, recipe.model_dump_json(exclude={"bundle", "alerts"}), manifest_digest(recipe.golden)]
        parts += [f"{way_of(engine, worker.max_batch)} {_machine(engine, gpu)}" for engine in self._engines]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        self._path = cache_folder(bundle.folder) / f"deploy-{recipe.name}-{key}.passed"
        self._files = self._golden_files()
        """Digest of the golden set's files before the check; empty without a golden set."""
        self.golden = f"{manifest_digest(recipe.golden)} {self._files}"
        """Digests of the golden set's manifest and files: an approval holds for this set alone."""

    def engine(self) -> EngineSettings | None:
        """The engine that passed; None where none is known, or its approval is void."""
        try:
            approved, *files = self._path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        except OSError:
            approved, files = "", []
        if approved and (reason := self._void_reason(files)):
            log.warning("The approval of %s for recipe %s is void: %s. Checking it again.",
                        self._folder, self._recipe.name, reason)  # fmt: skip
            return None
        return next((engine for engine in self._engines if str(engine) == approved), None)

    def keep(self, settings: EngineSettings) -> None:
        """Remembers the engine that passed; a golden set without a digest is judged again each time."""
        if self._files:
            remember(self._path, f"{settings}\n{self._files}")
        elif self._recipe.golden is None:
            remember(self._path, str(settings))

    def _golden_files(self) -> str:
        """Empty without a golden set, and for one that has no digest."""
        if self._recipe.golden is None:
            return ""
        try:
            return files_digest(self._recipe.golden)
        except GoldenDigestError as exc:
            log.warning("An approval by the golden set cannot be remembered, and every start checks it again: %s.", exc)
            return ""

    def _void_reason(self, files: Sequence[str]) -> str:
        """Why an approval with these digests is void; empty where it is valid."""
        golden = self._recipe.golden
        if golden is None or (self._files and [self._files] == list(files)):
            return ""
        if not files:
            return f"it is of an older version that checked only the manifest of the golden set {golden}, not its files"
        return f"a file of the golden set {golden} has changed"


def _machine(engine: EngineSettings, gpu: Callable[[], GpuApi]) -> str:
    try:
        return machine(engine, gpu)
    except (EngineError, importlib.metadata.PackageNotFoundError):
        return "cannot run it"
