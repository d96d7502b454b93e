"""Describes the machine that a benchmark runs on."""

import importlib.metadata
import os

from inspector.benchmark.report import Machine
from inspector.engines.cores import usable_cores
from inspector.engines.cpu_name import processor

_RUNTIMES = ("onnxruntime", "openvino", "tensorrt-rtx", "tensorrt", "torch")


def machine(threads: int) -> Machine:
    return Machine(processor(), usable_cores(), os.getloadavg()[0], threads, _versions())


def _versions() -> list[str]:
    versions = []
    for name in _RUNTIMES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
