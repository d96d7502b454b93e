"""Reads the name and the features of this machine's processor."""

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


_VNNI = {"avx512_vnni", "avx_vnni", "avx512vnni", "avxvnni"}
"""Instructions that add products of eight bits in 32 bits, as /proc/cpuinfo names them."""


def processor() -> str:
    return _value("model name") or platform.processor() or platform.machine()


def adds_in_16_bits() -> bool:
    """Whether products of unsigned and signed bytes are added in 16 bits, which overflows: x86 without VNNI."""
    flags = _value("flags").split()
    return "avx2" in flags and not _VNNI & set(flags)


def _value(key: str) -> str:
    """The first value of a key in the system's description of its processors; empty where there is none."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    entries = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in entries if name.strip() == key), "")
