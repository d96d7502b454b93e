"""Describes the machine that a benchmark runs on."""

import importlib.metadata
import os
import sys

from inspector.benchmark.report import Machine
from inspector.engines.cpu_name import processor

_RUNTIMES = ("onnxruntime", "openvino", "tensorrt-rtx", "tensorrt", "torch")


def machine(threads: int) -> Machine:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Machine(processor(), usable, os.getloadavg()[0], threads, _versions())


def _versions() -> list[str]:
    versions = []
    for name in _RUNTIMES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
