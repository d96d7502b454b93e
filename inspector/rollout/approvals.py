"""Remembers beside a bundle which engine passed the check before a deploy, on which machine. Opens nothing."""

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
    """Of one bundle for one recipe here; another driver, runtime, recipe, golden set, order of engines or way to run
    them needs another one."""

    def __init__(
        self, bundle: LoadedBundle, recipe: Recipe, worker: WorkerTable, gpu: Callable[[], GpuApi] = load_api
    ) -> None:
        self._wishes, self._recipe, self._folder = worker.engine_preferences, recipe, bundle.folder
        words = [bundle.digest, recipe.model_dump_json(exclude={"bundle"}), manifest_digest(recipe.golden)]
        words += [f"{way_of(wish, worker.max_batch)} {_machine(wish, gpu)}" for wish in self._wishes]
        key = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
        self._path = cache_folder(bundle.folder) / f"deploy-{recipe.name}-{key}.passed"
        self._files = self._golden_files()
        """Digest of the golden set's files as they were before the check; empty without one."""
        self.golden = f"{manifest_digest(recipe.golden)} {self._files}"
        """What the golden set is, manifest and files: an approval holds for this set alone."""

    def engine(self) -> EngineSettings | None:
        """What passed; None where nothing is known, or what is known holds no more."""
        try:
            said, *files = self._path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        except OSError:
            said, files = "", []
        if said and (why := self._void(files)):
            log.warning("The approval of %s for recipe %s is void: %s. It is checked again.",
                        self._folder, self._recipe.name, why)  # fmt: skip
            return None
        return next((wish for wish in self._wishes if str(wish) == said), None)

    def keep(self, settings: EngineSettings) -> None:
        """Remembers what passed; a golden set without a digest is judged again each time."""
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
            log.warning("No approval by the golden set can be remembered: %s.", exc)
            return ""

    def _void(self, files: Sequence[str]) -> str:
        """Why what was remembered with these words holds no more; empty where it does."""
        golden = self._recipe.golden
        if golden is None or (self._files and [self._files] == list(files)):
            return ""
        if not files:
            return f"it was given when only the manifest of the golden set {golden} counted, not its files"
        return f"a file of the golden set {golden} is not what it was"


def _machine(wish: EngineSettings, gpu: Callable[[], GpuApi]) -> str:
    try:
        return machine(wish, gpu)
    except (EngineError, importlib.metadata.PackageNotFoundError):
        return "cannot run it"
