"""Lets a compiled form judge on a machine once the bundle's parity set has passed there, and remembers it beside it.

Kernels are chosen by GPU, driver, processor and version: what decided as torch does elsewhere has yet to do so here.
"""

import hashlib
import importlib.metadata
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inspector.engines.device import find_device
from inspector.engines.engine import EngineSettings
from inspector.engines.forms import compiled_form
from inspector.engines.gpu_api import GpuApi
from inspector.engines.kernel_cache import cache_folder
from inspector.engines.tensorrt_gpu import load_api
from inspector.model import Model
from inspector.parity.archive import set_of
from inspector.parity.content import ParityError
from inspector.parity.gate import check
from inspector.parity.report import Limit, passed, words

log = logging.getLogger("inspector.engines")

UNCHECKED = (
    "the bundle has no parity set, and nothing else says whether it decides as exported; "
    "export it again with --parity MANIFEST, and compile that"
)


@dataclass(frozen=True, slots=True)
class Admission:
    limit: Limit
    gpu: Callable[[], GpuApi] = load_api

    def __call__(self, model: Model) -> str:
        """Why the model may not judge here; empty where it may. Exported graphs are the reference, and always may."""
        if compiled_form(model.schema, model.settings) is None:
            return ""
        if model.schema.parity_set is None:
            return UNCHECKED
        proof = self._proof(model)
        return "" if proof.is_file() else self._checked(model, proof)

    def _checked(self, model: Model, proof: Path) -> str:
        log.info("Bundle %s: %s is new on this machine, and its parity set is run.", model.schema.name, model.engine)
        try:
            report = check(model, set_of(model.bundle))
        except ParityError as exc:
            return str(exc)
        outcome = words(report, self.limit)[0]
        if not passed(report, self.limit):
            return f"the parity gate refuses it: {outcome}; compile the bundle again"
        _remember(proof, outcome)
        return ""

    def _proof(self, model: Model) -> Path:
        """By all that a decision may depend on."""
        words = model.bundle.digest, model.engine, str(self.limit), machine(model.settings, self.gpu)
        key = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
        return cache_folder(model.bundle.folder) / f"{model.engine.replace('/', '-')}-{key}.passed"


def machine(settings: EngineSettings, gpu: Callable[[], GpuApi] = load_api) -> str:
    """What computes: the runtime's version, and the device."""
    if settings.name == "tensorrt":
        api = gpu()
        return f"{api.compiler} on {find_device(api.cuda)}"
    package = {"onnx": "onnxruntime", "openvino": "openvino"}[settings.name]
    return f"{package} {importlib.metadata.version(package)} on {_processor()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())


def _remember(proof: Path, outcome: str) -> None:
    try:
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.write_text(f"{outcome}\n", encoding="utf-8")
    except OSError as exc:
        log.warning("%s cannot be written (%s): the next start runs the parity set again.", proof, exc.strerror)
