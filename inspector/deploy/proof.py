"""Remembers beside a bundle which engine passed the check before a deploy, on which machine. Opens nothing."""

import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

from inspector.admission import machine, remember, way_of
from inspector.bundle.load import LoadedBundle
from inspector.config.tables import WorkerTable
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.gpu_api import GpuApi
from inspector.engines.kernel_cache import cache_folder
from inspector.engines.tensorrt_gpu import load_api
from inspector.recipe.model import Recipe


class Proof:
    """Of one bundle for one recipe here; another driver, runtime, recipe, order of engines or way to run them needs
    another one."""

    def __init__(
        self, bundle: LoadedBundle, recipe: Recipe, worker: WorkerTable, gpu: Callable[[], GpuApi] = load_api
    ) -> None:
        self._wishes = worker.wishes
        words = [bundle.digest, recipe.model_dump_json(exclude={"bundle"}), _content(recipe.golden)]
        words += [f"{way_of(wish, worker.max_batch)} {_machine(wish, gpu)}" for wish in self._wishes]
        key = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
        self._path = cache_folder(bundle.folder) / f"deploy-{recipe.name}-{key}.passed"

    def engine(self) -> EngineSettings | None:
        """What passed; None where nothing is known."""
        try:
            said = self._path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None
        return next((wish for wish in self._wishes if str(wish) == said), None)

    def keep(self, settings: EngineSettings) -> None:
        remember(self._path, str(settings))


def _machine(wish: EngineSettings, gpu: Callable[[], GpuApi]) -> str:
    try:
        return machine(wish, gpu)
    except (EngineError, importlib.metadata.PackageNotFoundError):
        return "cannot run it"


def _content(golden: Path | None) -> str:
    """A golden set that cannot be read is one that changed."""
    try:
        return "" if golden is None else hashlib.sha256(golden.read_bytes()).hexdigest()
    except OSError as exc:
        return str(exc)
