"""Cores that a process may use, by affinity and by control groups of both versions."""

import os
from pathlib import Path

import pytest

from inspector.engines.cores import usable_cores


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)


def cores(tmp_path: Path, membership: str, files: dict[str, str]) -> int:
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    (tmp_path / "membership").write_text(membership)
    return usable_cores(tmp_path / "groups", tmp_path / "membership")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 16),
        ("400000 100000", 4),
        ("150000 100000", 1),
        ("299000 100000", 2),
        ("50000 100000", 1),
        ("6400000 100000", 16),
        ("", 16),
        ("nonsense", 16),
        ("100000 0", 16),
    ],
)
def test_a_quota_of_the_container_limits(tmp_path: Path, quota: str, expected: int) -> None:
    """In a container its own group is the root."""
    assert cores(tmp_path, "0::/\n", {"cpu.max": quota}) == expected


def test_the_least_quota_of_the_groups_above_counts(tmp_path: Path) -> None:
    files = {"cpu.max": "max 100000", "a/cpu.max": "300000 100000", "a/b/cpu.max": "800000 100000"}
    assert cores(tmp_path, "0::/a/b\n", files) == 3


@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("200000", 2)])
def test_version_1_of_the_groups(tmp_path: Path, quota: str, expected: int) -> None:
    files = {"cpu/a/cpu.cfs_quota_us": f"{quota}\n", "cpu/a/cpu.cfs_period_us": "100000\n"}
    assert cores(tmp_path, "9:cpuset:/\n4:cpu,cpuacct:/a\n0::/\n", files) == expected


def test_without_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none", tmp_path / "nothing") == 16
