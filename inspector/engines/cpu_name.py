"""Reads the name of this machine's processor."""

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def processor() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
