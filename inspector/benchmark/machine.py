"""Says what a benchmark runs on. Measures nothing."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from inspector.benchmark.report import Machine

_RUNTIMES = ("onnxruntime", "openvino", "tensorrt-rtx", "tensorrt", "torch")
_CPU_INFO = Path("/proc/cpuinfo")


def machine(threads: int) -> Machine:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Machine(_processor(), usable, os.getloadavg()[0], threads, _versions())


def _processor() -> str:
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _versions() -> list[str]:
    found = []
    for name in _RUNTIMES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
