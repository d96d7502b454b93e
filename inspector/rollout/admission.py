"""Admits a compiled variant on a machine once it has passed the bundle's parity set there, and remembers it in a file.

Kernels are chosen by GPU, driver, processor and version: a variant that passed elsewhere may decide differently here.
"""

import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.files import cache_folder, replace_file
from inspector.engines.cpu_name import processor
from inspector.engines.engine import EngineSettings
from inspector.engines.tensorrt.device import find_device
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.engines.variants import compiled_variant
from inspector.inference.batching import MAX_BATCH
from inspector.inference.model import Model
from inspector.parity.archive import set_of
from inspector.parity.gate import GateSettings, check
from inspector.parity.report import Limit, passed, words
from inspector.parity.schema import ParityError
from inspector.recipe.recipe import Recipe

log = logging.getLogger("inspector.engines")

UNCHECKED = (
    "the bundle has no parity set, so nothing shows that the compiled variant decides as exported; "
    "export it again with --parity MANIFEST, and compile that"
)
_DECIDES = {"pass_below", "fail_above", "certified_miss_rate", "parity_max_flips", "cameras", "sensors"}
"""Fields of a recipe that turn scores into decisions, and how many decisions may differ."""
HOW_GRAPHS_RUN = "2"
"""Raised when engines give a graph other inputs, sizes or batches than before, or the gate counts differently: older
proofs are then ignored. 2: OpenVINO runs an expert on one piece at a time, and moved INT8 scores by 4e-4 with it."""


@dataclass(frozen=True, slots=True)
class Admission:
    recipes: Sequence[Recipe]
    """It must decide as the torch oracle by the limits of each of them."""
    max_batch: int = MAX_BATCH
    gpu: Callable[[], GpuApi] = load_api

    def __call__(self, model: Model) -> str:
        """Why the model may not judge here; empty where it may. Exported graphs are the reference and always may."""
        if compiled_variant(model.schema, model.settings) is None:
            return ""
        if model.schema.parity_set is None:
            return UNCHECKED
        return next(filter(None, (self._fault(model, recipe) for recipe in self.recipes)), "")

    def _fault(self, model: Model, recipe: Recipe) -> str:
        proof = self._proof(model, recipe)
        return "" if proof.is_file() else self._check(model, recipe, proof)

    def _check(self, model: Model, recipe: Recipe, proof: Path) -> str:
        log.info("Bundle %s: %s is new on this machine; running its parity set.", model.schema.name, model.engine)
        try:
            report = check(model, set_of(model.bundle), GateSettings(recipe, self.max_batch))
        except ParityError as exc:
            return str(exc)
        limit = Limit(recipe.parity_max_flips)
        outcome = words(report, limit)[0]
        if not passed(report, limit):
            return f"it failed the parity gate: {outcome}; compile the bundle again"
        remember(proof, outcome)
        return ""

    def _proof(self, model: Model, recipe: Recipe) -> Path:
        """Its name depends on everything that may change a decision."""
        limits = recipe.model_dump_json(include=_DECIDES)
        parts = model.bundle.digest, limits, way_of(model.settings, self.max_batch), machine(model.settings, self.gpu)
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return cache_folder(model.bundle.folder) / f"{model.engine.replace('/', '-')}-{key}.passed"


def way_of(settings: EngineSettings, max_batch: int) -> str:
    """How graphs are run: sizes of batches and of thread pools change the order of sums, and so the scores."""
    return f"{HOW_GRAPHS_RUN} {settings} threads {settings.threads} max_batch {max_batch}"


def machine(settings: EngineSettings, gpu: Callable[[], GpuApi] = load_api) -> str:
    """Version of the runtime, and the device."""
    if settings.name == "tensorrt":
        api = gpu()
        return f"{api.compiler} on {find_device(api.cuda)}"
    package = {"onnx": "onnxruntime", "openvino": "openvino"}[settings.name]
    return f"{package} {importlib.metadata.version(package)} on {processor()}"


def remember(proof: Path, outcome: str) -> None:
    try:
        proof.parent.mkdir(parents=True, exist_ok=True)
        replace_file(proof, f"{outcome}\n".encode())
    except OSError as exc:
        log.warning("%s cannot be written (%s): the next start runs the parity set again.", proof, exc.strerror)
